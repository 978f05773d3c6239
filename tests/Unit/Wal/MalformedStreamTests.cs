using System.Buffers.Binary;
using WalRus.Postgres;
using WalRus.Tests.Protocol;
using WalRus.Wal;

namespace WalRus.Tests.Wal;

/// <summary>A stream of WAL said again with a byte changed or its end cut off.</summary>
public sealed class MalformedStreamTests
{
    private const string Segment = "000000010000000000000003";
    private const int PieceBytes = 600;

    private static readonly WalSegmentSize Size = WalSegmentSize.FromBytes(1 << 20);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_flipped_or_missing_byte_ends_in_an_error_or_another_try_and_stores_nothing()
    {
        var (said, framed) = Recording();
        Assert.True(await ReceiveAsync(said) >= 2 * PieceBytes, "the recording itself is not received");
        foreach (var at in framed)
        {
            var flipped = said.ToArray();
            flipped[at] ^= 0x01;
            await ReceiveAsync(flipped);
            await ReceiveAsync(said[..at]);
        }
    }

    /// <summary>Receives until something is wrong.</summary>
    /// <returns>How many bytes of WAL came.</returns>
    private static async Task<long> ReceiveAsync(byte[] said)
    {
        await using var server = new ScriptedServer(said);
        await using var receiver = new Receiver { Slot = null };
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var log = new EndingLog(enough);
        try
        {
            var running = receiver.Create(server.Settings, log).RunAsync(new WalReceiveRequest { Stop = enough.Token }, Token);
            return (await running.WaitAsync(TimeSpan.FromSeconds(20), Token)).ReceivedBytes;
        }
        catch (WalRusException)
        {
            return 0;
        }
        finally
        {
            Assert.DoesNotContain(receiver.Names(), name => name.Length == 24);
        }
    }

    /// <summary>Two pieces of a segment and a question; and where bytes are that are not WAL.</summary>
    private static (byte[] Said, List<int> Framed) Recording()
    {
        var wal = SyntheticWal.Segment(Segment, Size);
        var start = WalFileName.Parse(Segment).StartLsn(Size);
        var said = new List<byte>();
        var framed = new List<int>();
        Add([.. ScriptedServer.Start(), .. ScriptedServer.Row("7000000000000000001", "1", "0/300800", null), .. ScriptedServer.Row("1MB")], true);
        Add(ScriptedServer.Message('W', 0, 0, 0), true);
        for (var piece = 0; piece < 2; piece++)
        {
            byte[] body = [(byte)'w', .. Number(start.Value + (ulong)(piece * PieceBytes)), .. Number(start.Value + 2048), .. Number(1)];
            var message = ScriptedServer.Message('d', [.. body, .. wal.AsSpan(piece * PieceBytes, PieceBytes)]);
            Add(message[..^PieceBytes], true);
            Add(message[^PieceBytes..], false);
        }

        Add(ScriptedServer.Message('d', [(byte)'k', .. Number(start.Value + 2048), .. Number(1), 1]), true);
        return ([.. said], framed);

        void Add(byte[] bytes, bool isFramed)
        {
            if (isFramed)
            {
                framed.AddRange(Enumerable.Range(said.Count, bytes.Length));
            }

            said.AddRange(bytes);
        }
    }

    private static byte[] Number(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    /// <summary>Ends the run when it would try again.</summary>
    private sealed class EndingLog(CancellationTokenSource end) : IEventLog
    {
        public bool IsEnabled(EventLevel level) => true;

        public void Write(in LogEvent logEvent)
        {
            if (logEvent.Name == nameof(LogEvents.ReceiveWaiting))
            {
                end.Cancel();
            }
        }
    }
}
