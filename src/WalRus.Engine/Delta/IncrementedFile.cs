using Microsoft.Win32.SafeHandles;

namespace WalRus.Delta;

/// <summary>
/// A file of an earlier backup, brought to the state of a later one by its increment, as the increment's bytes come.
/// Doing it again from the beginning, after an attempt that broke off, has the same result.
/// </summary>
/// <param name="file">Open for writing; not disposed.</param>
/// <param name="increment">Of exactly this file; disposed by its owner.</param>
public sealed class IncrementedFile(SafeFileHandle file, IncrementReader increment)
{
    /// <summary>A segment of every usual build.</summary>
    public const long UsualSegmentBytes = 1L << 30;

    private bool isCut;
    private long pageBytesTaken;

    /// <summary>The next bytes of the increment.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    /// <exception cref="IOException"/>
    public void Take(ReadOnlySpan<byte> content)
    {
        if (!increment.HasHeader)
        {
            content = content[increment.TakeHeader(content)..];
            if (!increment.HasHeader)
            {
                return;
            }
        }

        if (!isCut)
        {
            RandomAccess.SetLength(file, increment.CutToBytes);
            isCut = true;
        }

        while (!content.IsEmpty)
        {
            var run = NextRun(content.Length);
            RandomAccess.Write(file, content[..run.Length], run.Offset);
            pageBytesTaken += run.Length;
            content = content[run.Length..];
        }
    }

    /// <summary>Holds that the increment came whole.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void Complete() => increment.ThrowIfUnfinished();

    /// <summary>Where the next bytes go, and how many of them go there in one write: pages that follow each other.</summary>
    private (long Offset, int Length) NextRun(int available)
    {
        var index = (int)(pageBytesTaken / increment.PageBytes);
        var within = (int)(pageBytesTaken % increment.PageBytes);
        var first = increment.Block(index);
        long length = increment.PageBytes - within;
        for (var next = 1; length < available && index + next < increment.Count
            && increment.Block(index + next) == first + next; next++)
        {
            length += increment.PageBytes;
        }

        return ((long)first * increment.PageBytes + within, (int)Math.Min(length, available));
    }
}
