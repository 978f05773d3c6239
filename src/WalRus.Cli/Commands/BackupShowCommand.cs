using System.Globalization;
using WalRus.Archiving;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus backup-show NAME|LATEST [--json]</c>: one backup and what a restore of it needs.</summary>
internal static class BackupShowCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "backup-show",
        Arguments = "backup_name",
        Meaning = "Show one backup",
        MinimumArguments = 1,
        MaximumArguments = 1,
        Options =
        [
            new("json", "as JSON, as in backup-list --detail --json"),
            new("pretty", "with --json: indented"),
            CommonOptions.TargetStorage,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var backup = await engine.Backups.FindAsync(call.Arguments[0], cancellationToken).ConfigureAwait(false);
        if (call.Has("json"))
        {
            var line = new BackupLine(backup.Name, backup.Modified, backup.StorageName, backup);
            JsonOutput.Write(call.Output, call.Has("pretty"), writer => BackupTable.WriteJson(writer, line));
            return ExitCodes.Success;
        }

        var chain = await engine.Backups.GetChainAsync(backup, cancellationToken).ConfigureAwait(false);
        foreach (var (name, value) in Facts(backup, chain))
        {
            call.Output.Write($"{name + ":",-18}{value}\n");
        }

        return ExitCodes.Success;
    }

    private static IEnumerable<(string Name, string Value)> Facts(BackupDetail backup, IReadOnlyList<BackupDetail> chain) =>
    [
        ("name", backup.Name.ToString()),
        ("kind", backup.IsDelta ? string.Create(CultureInfo.InvariantCulture, $"delta, step {chain.Count - 1}") : "full"),
        ("restores from", string.Join(", ", chain.Select(step => step.Name))),
        ("modified", BackupTable.Rfc3339(backup.Modified)),
        ("started", BackupTable.Rfc3339(backup.StartTime)),
        ("finished", BackupTable.Rfc3339(backup.FinishTime)),
        ("start LSN", backup.StartLsn.ToString()),
        ("finish LSN", backup.FinishLsn.ToString()),
        ("timeline", backup.Timeline.ToString()),
        ("first WAL file", backup.StartSegment.ToString()),
        ("PG version", backup.PgVersion.ToString(CultureInfo.InvariantCulture)),
        ("cluster", backup.SystemIdentifier?.ToString(CultureInfo.InvariantCulture) ?? "-"),
        ("host", backup.Hostname),
        ("data directory", backup.DataDirectory),
        ("permanent", backup.IsPermanent ? "true" : "false"),
        ("size", string.Create(CultureInfo.InvariantCulture, $"{backup.UncompressedSize} bytes, {backup.CompressedSize} stored")),
        ("user data", backup.UserData?.GetRawText() ?? "-"),
    ];
}
