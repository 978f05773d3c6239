using System.Text;
using WalRus.Protocol;

namespace WalRus.Tests.Protocol;

/// <summary>The one COPY of a base backup since PostgreSQL 15, taken apart.</summary>
public sealed class BackupPiecesTests
{
    private static readonly byte[][] Messages =
    [
        Message("n16384.tar\0/mnt/ts\0"),
        Message("dhello "),
        Message("p\0\0\0\0\0\0\0\x5"),
        Message("dworld"),
        Message("d"),
        Message("nbase.tar\0\0"),
        Message("nnothing.tar\0\0"),
        Message("m"),
        Message("d{ }"),
        Message("p\0\0\0\0\0\0\0\x9"),
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_archive_and_the_manifest_come_with_their_own_bytes()
    {
        var messages = Messages.Where(message => !Encoding.ASCII.GetString(message).Contains("nothing", StringComparison.Ordinal));
        Assert.Equal(
            ["16384.tar: hello world", "base.tar: ", "backup_manifest: { }"],
            await ReadAsync(new ScriptedCopy([.. messages]), skip: false));
    }

    [Fact]
    public async Task What_is_not_read_of_a_piece_is_passed_over()
    {
        var messages = Messages.Where(message => !Encoding.ASCII.GetString(message).Contains("nothing", StringComparison.Ordinal));
        Assert.Equal(["16384.tar: ", "base.tar: ", "backup_manifest: "], await ReadAsync(new ScriptedCopy([.. messages]), skip: true));
    }

    [Theory]
    [InlineData("nnothing.tar\0\0")]
    [InlineData("n12x.tar\0\0")]
    [InlineData("nbase.tar")]
    [InlineData("n")]
    [InlineData("dno archive yet")]
    [InlineData("x")]
    [InlineData("")]
    public async Task What_no_server_sends_is_refused(string message)
    {
        var failure = await Assert.ThrowsAsync<WalRusException>(
            () => ReadAsync(new ScriptedCopy([Message(message)]), skip: false));
        Assert.Equal(ErrorCode.PostgresProtocolViolation, failure.Code);
    }

    [Fact]
    public async Task A_damaged_message_is_taken_or_refused_and_nothing_else()
    {
        for (var index = 0; index < Messages.Length; index++)
        {
            var before = Messages[..index];
            var after = Messages[(index + 1)..];
            Damage.TruncateAndFlipEveryByte(Messages[index], damaged =>
                ReadAsync(new ScriptedCopy([.. before, damaged, .. after]), skip: false).GetAwaiter().GetResult());
            await Task.Yield();
        }
    }

    private static byte[] Message(string text) => Encoding.ASCII.GetBytes(text);

    private static async Task<List<string>> ReadAsync(ICopyOut copy, bool skip)
    {
        var pieces = new BackupPieces(copy);
        var read = new List<string>();
        while (await pieces.NextAsync(Token) is { } piece)
        {
            var content = new MemoryStream();
            if (!skip)
            {
                await pieces.Content.CopyToAsync(content, 3, Token);
            }

            read.Add($"{piece}: {Encoding.ASCII.GetString(content.ToArray())}");
        }

        return read;
    }

    private sealed class ScriptedCopy(byte[][] messages) : ICopyOut
    {
        private int next;
        private ReadOnlyMemory<byte> rest;

        public int Remaining => rest.Length;

        public ValueTask<bool> NextAsync(CancellationToken cancellationToken)
        {
            rest = next < messages.Length ? messages[next] : default(ReadOnlyMemory<byte>);
            return ValueTask.FromResult(next++ < messages.Length);
        }

        public ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
        {
            var count = Math.Min(destination.Length, rest.Length);
            rest[..count].CopyTo(destination);
            rest = rest[count..];
            return ValueTask.FromResult(count);
        }
    }
}
