namespace WalRus.WalG;

/// <summary>The members of one tar, in the order they are written to it. From <see cref="FilesMetadataWriter.BeginTar"/>.</summary>
public sealed class TarFileSetWriter : IDisposable
{
    private const int BufferBytes = 16 * 1024;

    private readonly FilesMetadataWriter owner;
    private readonly SpoolChain chain;
    private readonly string tarObjectName;
    private bool isDisposed;
    private bool isBroken;

    internal TarFileSetWriter(FilesMetadataWriter owner, SpoolFile spool, string tarObjectName)
    {
        this.owner = owner;
        this.tarObjectName = tarObjectName;
        chain = new SpoolChain(spool, BufferBytes);
        chain.Json.WriteStartArray();
    }

    public long MemberCount { get; private set; }

    /// <summary>Adds a member's name: any kind of member, directories too.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DiskFull"/>, <see cref="ErrorCode.FileFailed"/>.</exception>
    public void Add(string memberName)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        isBroken = true;
        chain.Json.WriteStringValue(memberName);
        MemberCount++;
        isBroken = false;
    }

    /// <summary>Ends the set.</summary>
    public void Dispose()
    {
        if (isDisposed)
        {
            return;
        }

        isDisposed = true;
        try
        {
            owner.EndTar(MemberCount > 0 ? tarObjectName : null, chain, isWhole: !isBroken);
        }
        finally
        {
            chain.Dispose();
        }
    }
}
