using System.Globalization;
using System.Text;

namespace WalRus.Wal;

/// <summary>
/// Remembers which ready neighbours an earlier push took along, as wal-g does: one file a segment in
/// <c>walg_data/walg_archive_status</c>. Ours also hold the file's size and time; wal-g's are empty.
/// </summary>
internal sealed class PushMarkers
{
    private readonly string folder;

    public PushMarkers(string dataFolder) => folder = Path.Combine(dataFolder, "walg_archive_status");

    /// <summary>
    /// True when a mark says this file was pushed: ours of the same size and time, or another tool's bare mark. A mark
    /// is a hint: the archive must still be asked.
    /// </summary>
    public bool Contains(FileInfo file)
    {
        var path = PathOf(file.Name);
        if (!File.Exists(path))
        {
            return false;
        }

        try
        {
            var content = File.ReadAllText(path);
            return content.Length == 0 || content == Fingerprint(file);
        }
        catch (IOException)
        {
            // A mark that went away or cannot be read: the file is pushed again, which loses nothing.
            return false;
        }
    }

    public void Add(FileInfo file)
    {
        Directory.CreateDirectory(folder);
        var path = PathOf(file.Name);
        var temporary = $"{path}.tmp{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}";
        File.WriteAllText(temporary, Fingerprint(file), Encoding.ASCII);
        File.Move(temporary, path, overwrite: true);
    }

    public void Remove(string name)
    {
        if (Directory.Exists(folder))
        {
            File.Delete(PathOf(name));
        }
    }

    private static string Fingerprint(FileInfo file) =>
        string.Create(CultureInfo.InvariantCulture, $"{file.Length} {file.LastWriteTimeUtc.Ticks}");

    private string PathOf(string name) => Path.Combine(folder, name);
}
