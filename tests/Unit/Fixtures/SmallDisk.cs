using System.Diagnostics;

namespace WalRus.Tests;

/// <summary>A file system of a few megabytes of its own, which can be really full. Only root may mount one.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TemporaryFolder folder;

    private SmallDisk(TemporaryFolder folder) => this.folder = folder;

    public string Path => folder.FullName;

    private string Filler => System.IO.Path.Combine(Path, "filler");

    /// <summary>Skips the test where nothing can be mounted.</summary>
    public static SmallDisk Mount(int megabytes)
    {
        Assert.SkipUnless(PostgresPrograms.RunsAsPostgres, "Only root can mount the small disk that is to be full.");
        var folder = new TemporaryFolder();
        var said = Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m,mode=1777", "tmpfs", folder.FullName);
        if (said is not null)
        {
            folder.Dispose();
            Assert.Skip($"No small disk can be mounted here to be full: {said}");
        }

        return new SmallDisk(folder);
    }

    /// <summary>Takes all room but <paramref name="leave"/> bytes.</summary>
    public void Fill(long leave)
    {
        var room = new DriveInfo(Path).AvailableFreeSpace - leave;
        using var file = new FileStream(Filler, FileMode.Create);
        var block = new byte[1 << 16];
        for (; room > 0; room -= block.Length)
        {
            file.Write(block, 0, (int)Math.Min(room, block.Length));
        }
    }

    /// <summary>Gives back what <see cref="Fill"/> took.</summary>
    public void Free() => File.Delete(Filler);

    /// <summary>Every file on it but the filler, below <see cref="Path"/>.</summary>
    public string[] Files() =>
    [
        .. Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories)
            .Where(file => file != Filler).Select(file => System.IO.Path.GetRelativePath(Path, file)),
    ];

    public void Dispose()
    {
        _ = Run("umount", "--lazy", Path);
        folder.Dispose();
    }

    /// <returns>Null when the program succeeded, else what it said.</returns>
    private static string? Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : said.Trim();
    }
}
