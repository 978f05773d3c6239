using System.Text;
using WalRus.Streaming;

namespace WalRus.Transfer;

/// <summary>
/// A backup's document (a sentinel, files_metadata.json) with other names for the tars that are the keys of its
/// "TarFileSets"; every other byte as it is. The document may be larger than memory: only one name at a time is held.
/// </summary>
/// <param name="source">The document; disposed with this stream.</param>
/// <param name="rename">From a tar's name to its new one.</param>
internal sealed class RenamedTarsStream(Stream source, Func<string, string> rename) : InputStream
{
    /// <summary>No name of a tar is as long; what is longer passes as it is.</summary>
    private const int MaxNameBytes = 1024;

    private readonly byte[] input = new byte[16 * 1024];
    private readonly List<byte> name = [];
    private readonly Queue<byte> pending = new();
    private int inputAt;
    private int inputCount;
    private int depth;
    private bool inText;
    private bool isEscaped;
    private bool expectsName;
    private bool collects;
    private bool inTarFileSets;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var written = 0;
        while (written < buffer.Length)
        {
            if (pending.TryDequeue(out var waiting))
            {
                buffer.Span[written++] = waiting;
                continue;
            }

            if (inputAt == inputCount)
            {
                if (written > 0)
                {
                    return written;
                }

                inputCount = await source.ReadAsync(input, cancellationToken).ConfigureAwait(false);
                inputAt = 0;
                if (inputCount == 0)
                {
                    EndName();
                    return Drain(buffer.Span);
                }
            }

            Take(input[inputAt++]);
        }

        return written;
    }

    public override async ValueTask DisposeAsync()
    {
        await source.DisposeAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        source.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The names of the document's own members, and of those of TarFileSets, are looked at.</summary>
    private bool IsNamePlace => depth == 1 || (depth == 2 && inTarFileSets);

    private int Drain(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, pending.Count);
        for (var i = 0; i < count; i++)
        {
            buffer[i] = pending.Dequeue();
        }

        return count;
    }

    private void Take(byte next)
    {
        if (inText)
        {
            TakeText(next);
            return;
        }

        pending.Enqueue(next);
        switch ((char)next)
        {
            case '"':
                inText = true;
                collects = expectsName && IsNamePlace;
                break;
            case '{':
                depth++;
                expectsName = true;
                break;
            case '[':
                depth++;
                expectsName = false;
                break;
            case '}' or ']':
                depth--;
                expectsName = false;
                break;
            case ',':
                expectsName = IsNamePlace;
                break;
            case ':':
                expectsName = false;
                break;
        }
    }

    private void TakeText(byte next)
    {
        var ends = next == '"' && !isEscaped;
        isEscaped = next == '\\' && !isEscaped;
        if (ends)
        {
            EndName();
            inText = false;
        }

        if (ends || !collects)
        {
            pending.Enqueue(next);
            return;
        }

        name.Add(next);
        if (name.Count > MaxNameBytes)
        {
            EndName();
        }
    }

    /// <summary>Passes on what was collected: under its new name when it is a tar's.</summary>
    private void EndName()
    {
        if (!collects)
        {
            return;
        }

        collects = false;
        var text = Encoding.UTF8.GetString([.. name]);
        if (depth == 1)
        {
            inTarFileSets = text == "TarFileSets";
        }

        var isTar = depth == 2 && name.Count <= MaxNameBytes && !name.Contains((byte)'\\');
        foreach (var one in isTar ? Encoding.UTF8.GetBytes(rename(text)) : [.. name])
        {
            pending.Enqueue(one);
        }

        name.Clear();
    }
}
