using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>
/// Pushes segments that PostgreSQL has marked ready while the asked one is on its way: first those that follow it, then
/// any others, a bounded number over a bounded number of lanes. Each that is durable gets a mark, so that PostgreSQL's
/// own call for it returns at once.
/// </summary>
internal sealed class ReadyNeighbours(
    WalPush push, WalFile asked, string walFolder, WalPushOptions options, PushMarkers markers, IEventLog log)
    : IAsyncDisposable
{
    private readonly ReadyFolder ready = new(walFolder);
    private readonly CancellationTokenSource startNoMore = new();
    private IEnumerator<string>? candidates;
    private Task[] lanes = [];
    private int started;
    private int pushed;

    public int PushedCount => Volatile.Read(ref pushed);

    public void Start(CancellationToken cancellationToken)
    {
        var laneCount = Math.Min(options.UploadConcurrency - 1, options.NeighbourLimit);
        if (laneCount < 1 || asked.Kind != WalFileKind.Segment || !ready.Exists)
        {
            return;
        }

        candidates = Candidates().GetEnumerator();
        lanes = new Task[laneCount];
        for (var i = 0; i < laneCount; i++)
        {
            lanes[i] = Task.Run(() => RunLaneAsync(cancellationToken), CancellationToken.None);
        }
    }

    /// <summary>Starts no further neighbour and waits for those under way: an object half sent would be work lost.</summary>
    public async ValueTask FinishAsync()
    {
        await startNoMore.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(lanes).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await FinishAsync().ConfigureAwait(false);
        candidates?.Dispose();
        startNoMore.Dispose();
    }

    private async Task RunLaneAsync(CancellationToken cancellationToken)
    {
        string? name = null;
        while (!startNoMore.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            try
            {
                name = NextCandidate();
                if (name is null)
                {
                    return;
                }

                await PushOneAsync(name, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception failure) when (failure is WalRusException or IOException or UnauthorizedAccessException)
            {
                // PostgreSQL asks for it by itself later and then gets the error.
                log.NeighbourFailed(name ?? $"the neighbours of {asked.Name}", failure.Message);
                if (name is null)
                {
                    // The folder of what is ready cannot be read: the asked segment must not fail for it.
                    return;
                }
            }

            name = null;
        }
    }

    private async Task PushOneAsync(string name, CancellationToken cancellationToken)
    {
        var file = new FileInfo(Path.Combine(walFolder, name));
        if (!file.Exists || markers.Contains(file))
        {
            return;
        }

        await push.PushFileAsync(WalFile.Parse(name), file, options.PreventOverwrite, null, cancellationToken)
            .ConfigureAwait(false);
        markers.Add(file);
        Interlocked.Increment(ref pushed);
        if (options.RenameReady)
        {
            ready.MarkDone(name);
        }
    }

    private string? NextCandidate()
    {
        lock (startNoMore)
        {
            return started < options.NeighbourLimit && candidates!.MoveNext() ? Count(candidates.Current) : null;
        }

        string Count(string name)
        {
            started++;
            return name;
        }
    }

    /// <summary>
    /// The following segments first: PostgreSQL asks for them next. Then whatever else is ready (a directory is read as
    /// it comes and never held; a file that is offered twice has its mark by then).
    /// </summary>
    private IEnumerable<string> Candidates()
    {
        var size = options.SegmentSize ?? SizeOfAsked();
        var last = asked.Segment!.Value;
        for (var next = last.Next(size); ready.IsReady(next.ToString()); next = next.Next(size))
        {
            last = next;
            yield return next.ToString();
        }

        foreach (var name in ready.Names())
        {
            var alreadyOffered = WalFileName.TryParse(name, out var segment)
                && segment.Timeline == last.Timeline && segment >= asked.Segment.Value && segment <= last;
            if (WalFileName.TryParse(name, out _) && !alreadyOffered)
            {
                yield return name;
            }
        }
    }

    private WalSegmentSize SizeOfAsked()
    {
        var length = new FileInfo(Path.Combine(walFolder, asked.Name)).Length;
        return WalSegmentSize.IsValid(length) ? WalSegmentSize.FromBytes(length) : WalSegmentSize.Default;
    }
}
