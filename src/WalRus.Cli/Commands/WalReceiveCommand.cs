using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Wal;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus wal-receive [FOLDER]</c>: archives the WAL that a server streams, until it is stopped.</summary>
internal static class WalReceiveCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "wal-receive",
        Arguments = "[archive_dir]",
        Meaning = "Archive the WAL that a server streams (replication protocol)",
        MaximumArguments = 1,
        Options =
        [
            new("slot", "physical replication slot; made when it is not there (WALG_SLOTNAME)", 'S', "name"),
            new("no-slot", "use no slot: the server keeps no WAL for a receiver that is away"),
            new("create-slot", "make the slot and end"),
            new("drop-slot", "drop the slot and end"),
            new("endpos", "end once everything before this position has come", 'E', "lsn"),
            new("skip-gap", "begin at the server's current position although the archive ends before it"),
            CommonOptions.TargetStorage,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var receive = engine.CreateWalReceive(Options(call, engine));
        if (call.Has("drop-slot"))
        {
            var dropped = await receive.DropSlotAsync(cancellationToken).ConfigureAwait(false);
            call.Log.Info("SlotDropped", dropped ? "The replication slot is dropped" : "There is no such replication slot");
            return ExitCodes.Success;
        }

        if (call.Has("create-slot"))
        {
            var created = await receive.CreateSlotAsync(cancellationToken).ConfigureAwait(false);
            call.Log.Info("SlotCreated", created ? "The replication slot is made" : "The replication slot was there already");
            return ExitCodes.Success;
        }

        // The first signal asks to end: what is finished becomes durable and the server is told. The second ends the process.
        var request = new WalReceiveRequest { EndPosition = EndPosition(call), SkipGap = call.Has("skip-gap"), Stop = cancellationToken };
        var done = await receive.RunAsync(request, CancellationToken.None).ConfigureAwait(false);
        call.Log.Info(
            "ReceiveEnded",
            $"Received to {done.ReceivedPosition}, durable to {done.DurablePosition}: {done.Segments} segments, "
            + $"{done.ReceivedBytes} bytes came, {done.StoredBytes} stored, {done.Reconnects} reconnects");
        return ExitCodes.Success;
    }

    private static WalReceiveOptions Options(Invocation call, WalRusEngine engine)
    {
        var slot = call.Value("slot", SettingCatalog.SlotName);
        var options = engine.WalReceiveOptions with { SlotName = call.Has("no-slot") ? null : slot };
        return call.Arguments.Count > 0 ? options with { Folder = call.Arguments[0] } : options;
    }

    private static Lsn? EndPosition(Invocation call) => call.Value("endpos") switch
    {
        null => null,
        var text => Lsn.TryParse(text, out var position)
            ? position
            : throw new WalRusException(ErrorCode.InvalidArgument, $"--endpos is '{text}', which is no WAL position such as 0/3000000."),
    };
}
