namespace WalRus.Daemon;

/// <summary>
/// What the server calls for each request. Every method may run many times at once, answers within a deadline of its own,
/// and turns its failures into <see cref="DaemonReply.Failed"/>: nothing but a cancellation is thrown.
/// </summary>
internal interface IDaemonOperations
{
    /// <summary>Archives a file.</summary>
    /// <param name="argument">A name, <c>pg_wal/NAME</c> or an absolute path; see <see cref="DaemonPaths"/>.</param>
    /// <param name="cancellationToken">The daemon stops.</param>
    /// <returns>Done once the segment is durable in the store.</returns>
    ValueTask<DaemonReply> PushAsync(string argument, CancellationToken cancellationToken);

    /// <summary>Brings a WAL file to a destination, absolute or relative to the data directory.</summary>
    /// <returns>Done once the checked file is durable at the destination; NotFound when the archive does not hold it.</returns>
    ValueTask<DaemonReply> FetchAsync(string name, string destination, CancellationToken cancellationToken);

    /// <summary>The status as one JSON document of at most <see cref="DaemonFrame.MaxBodyBytes"/> bytes.</summary>
    string Status();

    /// <summary>Begins to end the daemon, and returns at once.</summary>
    void Stop();
}
