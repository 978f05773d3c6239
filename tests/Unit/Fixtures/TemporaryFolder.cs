namespace WalRus.Tests;

/// <summary>A folder of one test's own, removed with everything in it at the end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => FullName = Directory.CreateTempSubdirectory("walrus-test-").FullName;

    private TemporaryFolder(string fullName) => FullName = fullName;

    public string FullName { get; }

    public string this[params string[] parts] => Path.Combine([FullName, .. parts]);

    /// <summary>In memory where the system has that: for thousands of small files whose durability is not what is tested.</summary>
    public static TemporaryFolder InMemory()
    {
        const string Memory = "/dev/shm";
        return Directory.Exists(Memory)
            ? new TemporaryFolder(Directory.CreateDirectory(Path.Combine(Memory, $"walrus-test-{Guid.NewGuid():N}")).FullName)
            : new TemporaryFolder();
    }

    public void Dispose()
    {
        // A detached wal-prefetch may still put files there; it ends soon, having nowhere to put them.
        for (var attempt = 0; Directory.Exists(FullName); attempt++)
        {
            try
            {
                Directory.Delete(FullName, recursive: true);
            }
            catch (IOException) when (attempt < 10)
            {
                Thread.Sleep(200);
            }
        }
    }
}
