using System.Buffers.Binary;
using System.Diagnostics;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>Why a stream of WAL ended.</summary>
internal enum StreamEnd
{
    /// <summary>The server has left this timeline; it says which is next.</summary>
    Timeline,

    /// <summary>It was asked to.</summary>
    Stopped,
}

/// <summary>
/// One stream of WAL: takes what comes and tells the server how far it is. Source: PostgreSQL's manual, "Streaming Replication
/// Protocol": messages w, k and r. Flushed is what is durable in the store, never what is on the local disk.
/// </summary>
internal sealed class ReceiveStream : IDisposable
{
    private const int BufferBytes = 128 * 1024;
    private const int DataHeaderBytes = 24;
    private const int KeepaliveBytes = 17;
    private const int StatusBytes = 34;
    private static readonly DateTime Epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>
    /// A server that shuts down asks again and again whether everything is flushed, each time at once. What is flushed here is
    /// whole segments, so that would never be; asked so often in a row, this side leaves and lets it go.
    /// </summary>
    private static readonly TimeSpan Urgent = TimeSpan.FromMilliseconds(500);

    private const int UrgentAtMost = 3;

    /// <summary>How long the server may take to end a stream that this side has ended.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    private readonly PostgresConnection connection;
    private readonly CopyStream copy;
    private readonly ReceiveUploads uploads;
    private readonly ReceiveProgress progress;
    private readonly WalReceiveOptions options;
    private readonly NativeBufferPool buffers;
    private readonly SemaphoreSlim wish = new(0, 1);
    private readonly byte[] header = new byte[DataHeaderBytes];
    private volatile bool isReading;
    private long asked = Stopwatch.GetTimestamp();
    private long wasAsked;
    private int urgentCount;

    public ReceiveStream(
        PostgresConnection connection,
        CopyStream copy,
        ReceiveUploads uploads,
        ReceiveProgress progress,
        WalReceiveOptions options,
        NativeBufferPool buffers)
    {
        this.connection = connection;
        this.copy = copy;
        this.uploads = uploads;
        this.progress = progress;
        this.options = options;
        this.buffers = buffers;
        uploads.OnAdvanced = Report;
    }

    /// <summary>Receives until the timeline ends or <paramref name="stop"/> fires.</summary>
    /// <param name="writer">Takes the bytes.</param>
    /// <param name="end">Stop once everything before it has come.</param>
    /// <param name="stop">Asks to end; cancelled here when <paramref name="end"/> is reached.</param>
    /// <param name="cancellationToken">Closes the connection at once.</param>
    public async Task<StreamEnd> RunAsync(
        ReceiveWriter writer, Lsn? end, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reporting = ReportAsync(over.Token);
        var stopping = StopAsync(stop.Token, over.Token);
        try
        {
            return await ReadAsync(writer, end, stop, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // The server may end the connection rather than the stream, or take too long.
            return StreamEnd.Stopped;
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await reporting.ConfigureAwait(false);
            await stopping.ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        uploads.OnAdvanced = null;
        wish.Dispose();
    }

    private async Task<StreamEnd> ReadAsync(
        ReceiveWriter writer, Lsn? end, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        while (await NextAsync(cancellationToken).ConfigureAwait(false))
        {
            await copy.ReadExactlyAsync(header.AsMemory(0, 1), cancellationToken).ConfigureAwait(false);
            switch (header[0])
            {
                case (byte)'w' when stop.IsCancellationRequested:
                    // Passed over: it comes again after the next start.
                    break;
                case (byte)'w':
                    await TakeDataAsync(writer, buffer.Memory, stop.Token, cancellationToken).ConfigureAwait(false);
                    break;
                case (byte)'k':
                    await TakeKeepaliveAsync(cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    throw connection.Violated($"a message of type {header[0]} came in a stream of WAL");
            }

            if (end is { } last && progress.Received >= last && !stop.IsCancellationRequested)
            {
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }

        return stop.IsCancellationRequested ? StreamEnd.Stopped
            : copy.IsCommandEnded ? throw ShuttingDown()
            : StreamEnd.Timeline;
    }

    private async ValueTask<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (!copy.HasMore)
        {
            Report();
        }

        isReading = true;
        try
        {
            return await copy.NextAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            isReading = false;
        }
    }

    private async ValueTask TakeDataAsync(
        ReceiveWriter writer, Memory<byte> buffer, CancellationToken stop, CancellationToken cancellationToken)
    {
        await copy.ReadExactlyAsync(header.AsMemory(0, DataHeaderBytes), cancellationToken).ConfigureAwait(false);
        var start = new Lsn(BinaryPrimitives.ReadUInt64BigEndian(header));
        progress.Server = new Lsn(BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(8)));
        urgentCount = 0;
        int count;
        while ((count = await copy.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            try
            {
                await writer.WriteAsync(start, buffer[..count], stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                // It waited for room; the rest of the message is passed over.
                return;
            }

            start += (ulong)count;
        }
    }

    private async ValueTask TakeKeepaliveAsync(CancellationToken cancellationToken)
    {
        await copy.ReadExactlyAsync(header.AsMemory(0, KeepaliveBytes), cancellationToken).ConfigureAwait(false);
        progress.Server = new Lsn(BinaryPrimitives.ReadUInt64BigEndian(header));
        if (header[16] == 0)
        {
            return;
        }

        urgentCount = Stopwatch.GetElapsedTime(wasAsked) < Urgent ? urgentCount + 1 : 0;
        wasAsked = Stopwatch.GetTimestamp();
        if (urgentCount >= UrgentAtMost)
        {
            throw ShuttingDown();
        }

        Report();
    }

    private WalRusException ShuttingDown()
    {
        connection.Close();
        return ServerFailure.Lost("Streaming WAL", "the server is shutting down");
    }

    /// <summary>Has the server told soon how far this side is.</summary>
    private void Report()
    {
        try
        {
            if (wish.CurrentCount == 0)
            {
                wish.Release();
            }
        }
        catch (Exception failure) when (failure is SemaphoreFullException or ObjectDisposedException)
        {
            // Somebody else wished for it at the same time, or the stream is over.
        }
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await wish.WaitAsync(options.StatusInterval, cancellationToken).ConfigureAwait(false);
                await SendAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            // A connection that broke is found out by who reads from it, too.
        }
    }

    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        // A server that is alive answers; one that cannot, since nobody reads here, is not asked.
        var asks = isReading && Stopwatch.GetElapsedTime(asked) >= options.StatusInterval;
        if (asks)
        {
            asked = Stopwatch.GetTimestamp();
        }

        var durable = progress.Durable.Value;
        var status = new byte[StatusBytes];
        status[0] = (byte)'r';
        BinaryPrimitives.WriteUInt64BigEndian(status.AsSpan(1), progress.Received.Value);
        BinaryPrimitives.WriteUInt64BigEndian(status.AsSpan(9), durable);
        BinaryPrimitives.WriteUInt64BigEndian(status.AsSpan(17), durable);
        BinaryPrimitives.WriteInt64BigEndian(status.AsSpan(25), (DateTime.UtcNow - Epoch).Ticks / TimeSpan.TicksPerMicrosecond);
        status[33] = (byte)(asks ? 1 : 0);
        await copy.WriteAsync(status, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Once asked to stop: makes what is finished durable, says so, and ends the stream.</summary>
    private async Task StopAsync(CancellationToken stop, CancellationToken over)
    {
        var asking = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (stop.Register(() => asking.TrySetResult()))
        using (over.Register(() => asking.TrySetCanceled(over)))
        {
            try
            {
                await asking.Task.ConfigureAwait(false);
                await uploads.DrainAtEndAsync(over).ConfigureAwait(false);
                await SendAsync(over).ConfigureAwait(false);
                await copy.CompleteAsync(over).ConfigureAwait(false);
                await Task.Delay(EndLimit, over).ConfigureAwait(false);
                connection.Close();
            }
            catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
            {
                // The stream is over, or the connection is.
            }
        }
    }
}
