namespace WalRus.Encryption;

/// <summary>Memory for keys: guarded, kept out of swap and core dumps where the system allows, wiped when freed.</summary>
internal sealed unsafe class SecretMemory : IDisposable
{
    private nint pointer;

    public SecretMemory(int sizeBytes)
    {
        SodiumNative.Require();
        SizeBytes = sizeBytes;
        pointer = (nint)SodiumNative.Allocate((nuint)sizeBytes);
        if (pointer == 0)
        {
            throw new InsufficientMemoryException("libsodium has no locked memory to give.");
        }

        Span.Clear();
    }

    ~SecretMemory() => Free();

    public int SizeBytes { get; }

    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(pointer == 0, this);
            return (byte*)pointer;
        }
    }

    public Span<byte> Span => new(Pointer, SizeBytes);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        var freed = Interlocked.Exchange(ref pointer, 0);
        if (freed != 0)
        {
            SodiumNative.Free((void*)freed);
        }
    }
}
