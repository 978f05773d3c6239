namespace WalRus.Protocol;

/// <summary>The messages of one COPY that the server sends, one after another.</summary>
internal interface ICopyOut
{
    /// <summary>Bytes of the current message not read yet.</summary>
    int Remaining { get; }

    /// <summary>Passes over what is left of the current message and comes to the next; false once the copy has ended.</summary>
    ValueTask<bool> NextAsync(CancellationToken cancellationToken);

    /// <summary>The next bytes of the current message; 0 at its end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken);
}
