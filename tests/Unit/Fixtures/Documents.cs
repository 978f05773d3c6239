namespace WalRus.Tests;

/// <summary>Small real documents that travel with the repository.</summary>
internal static class Documents
{
    public static byte[] Read(string name) =>
        File.ReadAllBytes(Path.Combine(Repository.Root, "tests", "Unit", "Golden", "documents", name));
}
