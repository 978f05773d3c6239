using System.Text;
using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Retention;

/// <summary>
/// The objects of a plan that go, on disk: memory does not grow with them. Written once, read any number of times, gone
/// when disposed or when the process ends.
/// </summary>
public sealed class PlanSpool : IDisposable
{
    private readonly FileStream file;
    private readonly BinaryWriter writer;
    private readonly Dictionary<ArchivedBackup, int> indexes = [];

    internal PlanSpool(DeletionPlan plan)
    {
        Plan = plan;
        for (var index = 0; index < plan.Backups.Count; index++)
        {
            indexes.Add(plan.Backups[index].Backup, index);
        }

        file = TemporaryFile.Create();
        writer = new BinaryWriter(file, Encoding.UTF8, leaveOpen: true);
    }

    public DeletionPlan Plan { get; }

    public long ObjectCount { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>The objects in the order of their deletion. Not for several readers at the same time.</summary>
    public IEnumerable<PlannedObject> Read()
    {
        writer.Flush();
        file.Position = 0;
        using var reader = new BinaryReader(file, Encoding.UTF8, leaveOpen: true);
        for (var left = ObjectCount; left > 0; left--)
        {
            yield return ReadOne(reader);
        }
    }

    public void Dispose()
    {
        writer.Dispose();
        file.Dispose();
    }

    internal void Add(in PlannedObject item)
    {
        try
        {
            writer.Write((byte)item.Kind);
            writer.Write7BitEncodedInt(item.Backup is null ? 0 : indexes[item.Backup] + 1);
            writer.Write7BitEncodedInt64(item.SizeBytes);
            writer.Write(item.LastModified.UtcTicks);
            writer.Write((byte)item.Rule);
            writer.Write(item.Backup is null ? item.Why : "");
            writer.Write(item.Key.ToString());
        }
        catch (IOException full)
        {
            throw DurableFile.Translate(full, file.Name);
        }

        ObjectCount++;
        Bytes += item.SizeBytes;
    }

    private PlannedObject ReadOne(BinaryReader reader)
    {
        var kind = (PlannedObjectKind)reader.ReadByte();
        var index = reader.Read7BitEncodedInt() - 1;
        var size = reader.Read7BitEncodedInt64();
        var modified = new DateTimeOffset(reader.ReadInt64(), TimeSpan.Zero);
        var rule = (RetentionRule)reader.ReadByte();
        var why = reader.ReadString();
        var key = ObjectKey.Parse(reader.ReadString());
        var decision = index < 0 ? null : Plan.Backups[index];
        return new PlannedObject(key, kind, decision?.Backup, size, modified, false, rule, decision?.Why ?? why);
    }
}
