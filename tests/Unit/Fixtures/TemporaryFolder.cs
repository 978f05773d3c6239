namespace WalRus.Tests;

/// <summary>A folder of one test's own, removed with everything in it at the end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => FullName = Directory.CreateTempSubdirectory("walrus-test-").FullName;

    public string FullName { get; }

    public string this[params string[] parts] => Path.Combine([FullName, .. parts]);

    public void Dispose()
    {
        if (Directory.Exists(FullName))
        {
            Directory.Delete(FullName, recursive: true);
        }
    }
}
