using System.Buffers.Binary;
using System.Text.Json;
using WalRus.Backup;

namespace WalRus.Tests.Backup;

/// <summary>Puts a chain of backups together with GNU tar and thirty lines of its own, so that the engine's reader proves nothing here.</summary>
internal static class DeltaChain
{
    private const int PageBytes = 8192;

    /// <summary>The data directory that a full backup and its deltas, in order, make.</summary>
    public static async Task ExtractAsync(BackupPushFixture fixture, string folder, params BackupPushResult[] chain)
    {
        await fixture.ExtractAsync(chain[0], folder);
        for (var step = 1; step < chain.Length; step++)
        {
            var before = folder + $".before{step}";
            Directory.Move(folder, before);
            await fixture.ExtractAsync(chain[step], folder);
            foreach (var file in (await fixture.FilesAsync(chain[step])).GetProperty("Files").EnumerateObject())
            {
                Take(file, Path.Join(before, file.Name), Path.Join(folder, file.Name));
            }

            Directory.Delete(before, recursive: true);
        }
    }

    private static void Take(JsonProperty file, string parent, string mine)
    {
        if (file.Value.GetProperty("IsSkipped").GetBoolean())
        {
            Assert.False(File.Exists(mine), $"{file.Name} is skipped and in a tar");
            File.Copy(parent, mine);
        }
        else if (file.Value.GetProperty("IsIncremented").GetBoolean())
        {
            File.WriteAllBytes(mine, Apply(File.ReadAllBytes(parent), File.ReadAllBytes(mine)));
        }
    }

    /// <summary>A file with the pages of an increment, of either format.</summary>
    public static byte[] Apply(byte[] parent, byte[] increment)
    {
        var isNative = BinaryPrimitives.ReadUInt32LittleEndian(increment) == 0xD3AE1F0D;
        Assert.True(isNative || increment.AsSpan(0, 4).SequenceEqual("wi1\x55"u8));
        var count = BinaryPrimitives.ReadInt32LittleEndian(increment.AsSpan(isNative ? 4 : 12));
        var size = isNative
            ? BinaryPrimitives.ReadInt32LittleEndian(increment.AsSpan(8)) * (long)PageBytes
            : BinaryPrimitives.ReadInt64LittleEndian(increment.AsSpan(4));
        var numbers = isNative ? 12 : 16;
        var pages = numbers + (count * 4);
        pages = isNative && count > 0 ? (pages + PageBytes - 1) / PageBytes * PageBytes : pages;
        Assert.Equal(pages + (count * PageBytes), increment.Length);
        var made = new byte[size];
        parent.AsSpan(0, (int)Math.Min(size, parent.Length)).CopyTo(made);
        for (var index = 0; index < count; index++)
        {
            var block = BinaryPrimitives.ReadInt32LittleEndian(increment.AsSpan(numbers + (index * 4)));
            increment.AsSpan(pages + (index * PageBytes), PageBytes).CopyTo(made.AsSpan(block * PageBytes));
        }

        return made;
    }
}
