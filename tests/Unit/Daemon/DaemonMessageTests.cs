using System.Text;
using WalRus.Daemon;

namespace WalRus.Tests.Daemon;

/// <summary>The bytes are wal-g's and WAL-RUS's own exchanges.</summary>
public sealed class DaemonMessageTests
{
    private const string Segment = "000000010000000000000002";

    [Fact]
    public void Requests_are_the_bytes_that_the_client_of_wal_g_sends()
    {
        Assert.Equal("430003", Hex(DaemonRequest.Check.Encode()));
        Assert.Equal("46001B" + HexText(Segment), Hex(DaemonRequest.Push(Segment).Encode()));
        Assert.Equal(
            "660033" + "020018" + HexText(Segment) + "0013" + HexText("pg_wal/RECOVERYXLOG"),
            Hex(DaemonRequest.Fetch(Segment, "pg_wal/RECOVERYXLOG").Encode()));
        Assert.Equal("530003", Hex(DaemonRequest.Status.Encode()));
    }

    [Fact]
    public void Replies_are_whole_messages_and_a_failure_carries_its_reason_behind_them()
    {
        Assert.Equal("4F0003", Hex(DaemonReply.Done.Encode()));
        Assert.Equal("4E0003", Hex(DaemonReply.NotFound.Encode()));
        Assert.Equal("450003", Hex(DaemonReply.Failed("").Encode()));
        Assert.Equal("450003" + "4D0007" + HexText("full"), Hex(DaemonReply.Failed("full").Encode()));
        Assert.Equal("4F0005" + HexText("{}"), Hex(DaemonReply.Document("{}").Encode()));
    }

    [Fact]
    public void A_request_comes_back_from_its_bytes_and_only_when_all_are_there()
    {
        DaemonRequest[] requests =
        [
            DaemonRequest.Check, DaemonRequest.Status, DaemonRequest.Push("pg_wal/" + Segment),
            DaemonRequest.Push(new string('é', DaemonRequest.MaxArgumentBytes / 2)), DaemonRequest.Fetch("00000002.history", "ü/x y"),
        ];
        foreach (var request in requests)
        {
            var bytes = request.Encode();
            for (var length = 0; length < bytes.Length; length++)
            {
                Assert.Equal(DaemonParse.Incomplete, DaemonFrame.Read(bytes.AsSpan(0, length), out _));
            }

            // What follows belongs to the next message.
            Assert.Equal(DaemonParse.Complete, DaemonFrame.Read([.. bytes, 0x46], out var frame));
            Assert.Equal(bytes.Length, frame.Length);
            Assert.True(DaemonRequest.TryParse(frame.Type, frame.Body(bytes), out var parsed, out _));
            Assert.Equal(request, parsed);
        }
    }

    [Theory]
    [InlineData("46", "")]
    [InlineData("46", "61006200")]
    [InlineData("46", "FF")]
    [InlineData("53", "00")]
    [InlineData("66", "")]
    [InlineData("66", "00")]
    [InlineData("66", "01000161")]
    [InlineData("66", "0200016100")]
    [InlineData("66", "020001610001")]
    [InlineData("66", "02000161000062")]
    [InlineData("66", "0200016100016263")]
    [InlineData("66", "03000161000162000163")]
    [InlineData("5A", "")]
    [InlineData("4F", "")]
    [InlineData("00", "")]
    public void A_body_that_no_client_sends_is_refused_with_words(string type, string body)
    {
        Assert.False(DaemonRequest.TryParse(Convert.FromHexString(type)[0], Convert.FromHexString(body), out _, out var problem));
        Assert.NotEmpty(problem);
    }

    [Theory]
    [InlineData("460000")]
    [InlineData("460002")]
    public void A_length_that_does_not_cover_its_own_header_is_refused(string bytes) =>
        Assert.Equal(DaemonParse.Malformed, DaemonFrame.Read(Convert.FromHexString(bytes), out _));

    [Fact]
    public void Arguments_that_cannot_be_sent_are_the_callers_mistake()
    {
        Assert.Throws<ArgumentException>(() => DaemonRequest.Push("").Encode());
        Assert.Throws<ArgumentException>(() => DaemonRequest.Push(new string('x', DaemonRequest.MaxArgumentBytes + 1)).Encode());
        Assert.Throws<ArgumentException>(() => DaemonReply.Document(new string('x', DaemonFrame.MaxBodyBytes + 1)).Encode());
    }

    [Fact]
    public void Cut_or_changed_requests_are_refused_or_read_as_another_request_but_never_fail_otherwise()
    {
        var bytes = DaemonRequest.Fetch(Segment, "pg_wal/RECOVERYXLOG").Encode();
        for (var at = 0; at < bytes.Length; at++)
        {
            for (var value = 0; value < 256; value++)
            {
                var changed = bytes.ToArray();
                changed[at] = (byte)value;
                if (DaemonFrame.Read(changed, out var frame) == DaemonParse.Complete)
                {
                    var valid = DaemonRequest.TryParse(frame.Type, frame.Body(changed), out var parsed, out var problem);
                    Assert.Equal(valid, problem.Length == 0);
                    Assert.True(!valid || parsed.Encode().AsSpan().SequenceEqual(changed) || parsed.Type == DaemonMessageType.Check);
                }
            }

            Assert.False(DaemonRequest.TryParse((byte)'f', bytes.AsSpan(3, Math.Max(0, at - 3)), out _, out _));
        }
    }

    [Theory]
    [InlineData("4F", DaemonMessageType.Done)]
    [InlineData("4F00", DaemonMessageType.Done)]
    [InlineData("4F0003", DaemonMessageType.Done)]
    [InlineData("4E", DaemonMessageType.NotFound)]
    [InlineData("4E0003", DaemonMessageType.NotFound)]
    public void The_first_byte_of_a_good_reply_is_enough(string bytes, DaemonMessageType type)
    {
        Assert.Equal(DaemonParse.Complete, DaemonReply.Read(Convert.FromHexString(bytes), ended: false, false, out var reply));
        Assert.Equal(new DaemonReply(type, ""), reply);
    }

    [Theory]
    [InlineData("45", "")]
    [InlineData("4500", "")]
    [InlineData("450003", "")]
    [InlineData("4500034D", "")]
    [InlineData("4500034D0002", "")]
    [InlineData("4500034D000766756C", "")]
    [InlineData("4500034D000766756C6C", "full")]
    [InlineData("4500034F0003", "")]
    [InlineData("450000", "")]
    public void A_failure_is_one_whatever_follows_and_its_reason_is_read_when_it_is_whole(string text, string reason)
    {
        var bytes = Convert.FromHexString(text);
        Assert.Equal(DaemonParse.Complete, DaemonReply.Read(bytes, ended: true, false, out var reply));
        Assert.Equal(DaemonReply.Failed(reason), reply);
        if (bytes.Length < 3)
        {
            Assert.Equal(DaemonParse.Incomplete, DaemonReply.Read(bytes, ended: false, false, out _));
        }
    }

    [Fact]
    public void A_status_needs_its_whole_document_in_any_pieces()
    {
        var bytes = DaemonReply.Document("{\"é\":1}").Encode();
        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(DaemonParse.Incomplete, DaemonReply.Read(bytes.AsSpan(0, length), ended: false, true, out _));
            Assert.Equal(DaemonParse.Malformed, DaemonReply.Read(bytes.AsSpan(0, length), ended: true, true, out _));
        }

        Assert.Equal(DaemonParse.Complete, DaemonReply.Read(bytes, ended: false, true, out var reply));
        Assert.Equal("{\"é\":1}", reply.Text);
    }

    [Fact]
    public void Only_three_first_bytes_begin_a_reply()
    {
        for (var first = 0; first < 256; first++)
        {
            var state = DaemonReply.Read([(byte)first, 0, 3], ended: true, false, out _);
            Assert.Equal("OEN".Contains((char)first), state == DaemonParse.Complete);
        }

        Assert.Equal(DaemonParse.Malformed, DaemonReply.Read([], ended: true, false, out _));
    }

    [Fact]
    public void A_long_reason_is_cut_between_characters()
    {
        var bytes = DaemonReply.Failed("x" + new string('é', 2000)).Encode();
        Assert.True(bytes.Length <= DaemonReply.MaxReplyBytes);
        Assert.Equal(DaemonParse.Complete, DaemonReply.Read(bytes, ended: true, false, out var reply));
        Assert.Equal("x" + new string('é', 511), reply.Text);
    }

    private static string Hex(byte[] bytes) => Convert.ToHexString(bytes);

    private static string HexText(string text) => Hex(Encoding.UTF8.GetBytes(text));
}
