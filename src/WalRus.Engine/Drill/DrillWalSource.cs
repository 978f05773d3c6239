using System.Globalization;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Drill;

/// <summary>
/// Gives the throwaway server its WAL. The server's restore_command is a script of a few lines that leaves a wish in a
/// folder and waits for the answer; this process fetches. So the archive's keys stay in this process, nothing of the
/// server's can write to the archive, and a broken segment is an error with a reason instead of an end of recovery.
/// </summary>
internal sealed class DrillWalSource : IAsyncDisposable
{
    /// <summary>Segments fetched before they are asked for.</summary>
    private const int Ahead = 3;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    private readonly WalFetch fetch;
    private readonly DrillWorkspace space;
    private readonly IProgress<TransferProgress>? progress;
    private readonly long expectedBytes;
    private readonly CancellationTokenSource stop;
    private readonly Dictionary<string, Task<Answer>> running = [];
    private readonly HashSet<ulong> given = [];
    private Task serving = Task.CompletedTask;
    private bool isDisposed;

    /// <param name="expectedBytes">For progress: what replay will ask for, about.</param>
    public DrillWalSource(
        WalFetch fetch, DrillWorkspace space, long expectedBytes, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        this.fetch = fetch;
        this.space = space;
        this.expectedBytes = expectedBytes;
        this.progress = progress;
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    private enum AnswerKind
    {
        Have,
        None,
        Fail,
    }

    /// <summary>What PostgreSQL is given as restore_command.</summary>
    public string RestoreCommand => DrillRestoreScript.Command(space.Wal);

    /// <summary>Whole segments given to replay.</summary>
    public long SegmentCount { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Why a file that the archive holds could not be given; null while all went well.</summary>
    public WalRusException? Failure { get; private set; }

    public void Start()
    {
        foreach (var folder in new[] { space.Wal, Wish, Incoming, Folder(AnswerKind.Have), Folder(AnswerKind.None), Folder(AnswerKind.Fail) })
        {
            space.MakeFolder(folder);
        }

        space.WriteFile(DrillRestoreScript.PathIn(space.Wal), DrillRestoreScript.Text);
        serving = Task.Run(ServeAsync, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (isDisposed)
        {
            return;
        }

        isDisposed = true;
        await stop.CancelAsync().ConfigureAwait(false);
        await serving.ConfigureAwait(false);
        await Task.WhenAll(running.Values).ConfigureAwait(false);
        stop.Dispose();
    }

    private string Wish => Path.Combine(space.Wal, DrillRestoreScript.WishFolder);

    private string Incoming => Path.Combine(space.Wal, "incoming");

    private async Task ServeAsync()
    {
        try
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var wish in Directory.EnumerateFiles(Wish))
                {
                    await AnswerAsync(Path.GetFileName(wish)).ConfigureAwait(false);
                }

                await Task.Delay(PollInterval, stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The drill is over; a script that still waits gives up when its folder goes.
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            Failure = DurableFile.Translate(failed, space.Wal);
            SendAway();
        }
    }

    /// <summary>Nobody answers any more: without the folder of wishes a waiting script ends, and recovery with it.</summary>
    private void SendAway()
    {
        try
        {
            Directory.Delete(Wish, recursive: true);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // Then the drill's own time limit ends it.
        }
    }

    private async Task AnswerAsync(string name)
    {
        File.Delete(Path.Combine(Wish, name));
        var answer = running.Remove(name, out var begun) ? await begun.ConfigureAwait(false) : default;
        if (begun is null || answer.Kind == AnswerKind.None)
        {
            // What was not there a while ago may be by now.
            answer = await FetchAsync(name).ConfigureAwait(false);
        }

        stop.Token.ThrowIfCancellationRequested();
        if (answer.Kind == AnswerKind.Have)
        {
            Count(name, answer);
            File.Move(Path.Combine(Incoming, name), Path.Combine(Folder(AnswerKind.Have), name), overwrite: true);
            BeginNext(name, answer.SegmentSize);
        }
        else
        {
            // Made elsewhere and moved: the script removes an answer the moment it sees it.
            Failure ??= answer.Failure;
            var made = Path.Combine(Incoming, $"{name}.answer");
            space.WriteFile(made, "");
            File.Move(made, Path.Combine(Folder(answer.Kind), name), overwrite: true);
        }
    }

    private void Count(string name, in Answer answer)
    {
        if (answer.SegmentSize is not { } size || !WalFileName.TryParse(name, out var segment))
        {
            return;
        }

        // Replay asks again for segments around a change of timeline; the set stays small because old ones are dropped.
        var number = segment.SegmentNumber(size);
        given.RemoveWhere(old => old + 64 < number);
        if (given.Add(number))
        {
            SegmentCount++;
            Bytes += answer.Bytes;
            progress?.Report(new TransferProgress("Drill: replaying WAL", name, Bytes, expectedBytes));
        }
    }

    /// <summary>Replay asks in order: what comes next is fetched while it works.</summary>
    private void BeginNext(string name, WalSegmentSize? size)
    {
        if (size is not { } bytes || !WalFileName.TryParse(name, out var segment))
        {
            return;
        }

        var wanted = Enumerable.Range(1, Ahead).Select(step => segment.Next(bytes, (ulong)step).ToString()).ToList();
        foreach (var (old, _) in running.Where(one => !wanted.Contains(one.Key) && one.Value.IsCompleted).ToList())
        {
            // Fetched on a timeline that replay has left.
            File.Delete(Path.Combine(Incoming, old));
            running.Remove(old);
        }

        foreach (var next in wanted.Where(next => !running.ContainsKey(next)).Take(Ahead - running.Count).ToList())
        {
            running[next] = FetchAsync(next);
        }
    }

    private async Task<Answer> FetchAsync(string name)
    {
        try
        {
            var path = Path.Combine(Incoming, name);
            var result = await fetch.RunAsync(new WalFetchRequest { Name = name, Destination = path }, stop.Token)
                .ConfigureAwait(false);
            space.Give(path);
            return new Answer(AnswerKind.Have, result.Bytes, result.SegmentSize, null);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.WalSegmentNotFound)
        {
            return new Answer(AnswerKind.None, 0, null, null);
        }
        catch (WalRusException failed)
        {
            return new Answer(AnswerKind.Fail, 0, null, Named(failed, name));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return new Answer(AnswerKind.None, 0, null, null);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            return new Answer(AnswerKind.Fail, 0, null, DurableFile.Translate(failed, name));
        }
    }

    /// <summary>Codecs and crypters see bytes only; the operator needs the file.</summary>
    private static WalRusException Named(WalRusException failed, string name) =>
        failed.Message.Contains(name, StringComparison.Ordinal)
        ? failed
        : new WalRusException(
            failed.Code, $"'{name}': {failed.Message}", failed.Hint, failed) { IsTransient = failed.IsTransient };

    private string Folder(AnswerKind kind) => Path.Combine(space.Wal, kind switch
    {
        AnswerKind.Have => DrillRestoreScript.HaveFolder,
        AnswerKind.None => DrillRestoreScript.NoneFolder,
        _ => DrillRestoreScript.FailFolder,
    });

    private readonly record struct Answer(AnswerKind Kind, long Bytes, WalSegmentSize? SegmentSize, WalRusException? Failure);
}
