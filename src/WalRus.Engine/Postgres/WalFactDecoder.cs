using System.Buffers.Binary;
using System.Text;

namespace WalRus.Postgres;

/// <summary>
/// Takes apart the records that <see cref="WalFactKind"/> names. Source: PostgreSQL's xact.h, pg_control.h,
/// xlog_internal.h and standbydefs.h of versions 13 to 18.
/// </summary>
public static class WalFactDecoder
{
    // xlog_internal.h, pg_control.h: the high half of a record's info.
    private const byte CheckpointShutdown = 0x00;
    private const byte CheckpointOnline = 0x10;
    private const byte BackupEnd = 0x50;
    private const byte RestorePoint = 0x70;
    private const byte EndOfRecovery = 0x90;
    private const byte OverwriteContinuation = 0xD0;

    // standbydefs.h
    private const byte RunningTransactions = 0x10;

    // xact.h
    private const byte TransactionKindMask = 0x70;
    private const byte TransactionHasInfo = 0x80;

    private const int RestorePointNameBytes = 64;

    /// <summary>What <see cref="WalRecordReader"/> should keep the bodies of.</summary>
    public static bool IsWanted(WalRecordHeader header) => KindOf(header) is not null;

    /// <summary>Null for a record of another kind, or whose content is not what its kind should be.</summary>
    public static WalFact? Decode(in WalRecord record)
    {
        if (KindOf(record.Header) is not { } kind)
        {
            return null;
        }

        var fact = new WalFact { Kind = kind, Lsn = record.Start, EndLsn = record.End };
        var data = DataOf(record.Body);
        return kind switch
        {
            WalFactKind.Switch => fact,
            WalFactKind.Commit or WalFactKind.CommitPrepared or WalFactKind.Abort or WalFactKind.AbortPrepared =>
                Transaction(fact, record, data),
            WalFactKind.CheckpointShutdown or WalFactKind.CheckpointOnline => Checkpoint(fact, data),
            WalFactKind.RestorePoint => NamedPoint(fact, data),
            WalFactKind.RunningTransactions when data.Length >= 20 => fact with
            {
                NextXid = BinaryPrimitives.ReadUInt32LittleEndian(data[12..]),
                OldestRunningXid = BinaryPrimitives.ReadUInt32LittleEndian(data[16..]),
            },
            WalFactKind.EndOfRecovery when data.Length >= 12 => fact with
            {
                Time = TimeAt(data),
                Timeline = new TimelineId(BinaryPrimitives.ReadUInt32LittleEndian(data[8..])),
            },
            WalFactKind.BackupEnd when data.Length >= 8 => fact with { BackupStart = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(data)) },
            WalFactKind.OverwrittenRecord when data.Length >= 16 => fact with { Time = TimeAt(data[8..]) },
            _ => null,
        };
    }

    private static WalFactKind? KindOf(WalRecordHeader header) => header.ResourceManager switch
    {
        WalResourceManager.Transaction => (header.Info & TransactionKindMask) switch
        {
            0x00 => WalFactKind.Commit,
            0x20 => WalFactKind.Abort,
            0x30 => WalFactKind.CommitPrepared,
            0x40 => WalFactKind.AbortPrepared,
            _ => null,
        },
        WalResourceManager.Standby => (header.Info & 0xF0) == RunningTransactions ? WalFactKind.RunningTransactions : null,
        WalResourceManager.XLog when header.IsSwitch => WalFactKind.Switch,
        WalResourceManager.XLog => (header.Info & 0xF0) switch
        {
            CheckpointShutdown => WalFactKind.CheckpointShutdown,
            CheckpointOnline => WalFactKind.CheckpointOnline,
            BackupEnd => WalFactKind.BackupEnd,
            RestorePoint => WalFactKind.RestorePoint,
            EndOfRecovery => WalFactKind.EndOfRecovery,
            OverwriteContinuation => WalFactKind.OverwrittenRecord,
            _ => null,
        },
        _ => null,
    };

    /// <summary>The record's own data; empty when it refers to blocks or is cut short before it.</summary>
    private static ReadOnlySpan<byte> DataOf(ReadOnlySpan<byte> body)
    {
        while (body.Length > 1)
        {
            switch (body[0])
            {
                case WalRecordContent.ShortData:
                    return body[2..];
                case WalRecordContent.LongData when body.Length > 5:
                    return body[5..];
                case WalRecordContent.Origin when body.Length > 3:
                    body = body[3..];
                    break;
                case WalRecordContent.TopLevelXid when body.Length > 5:
                    body = body[5..];
                    break;
                default:
                    return default;
            }
        }

        return default;
    }

    private static WalFact? Transaction(WalFact fact, in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (data.Length < 8)
        {
            return null;
        }

        uint? xid = record.Header.Xid;
        if (fact.Kind is WalFactKind.CommitPrepared or WalFactKind.AbortPrepared)
        {
            // Who commits a prepared transaction is another one, or none.
            xid = (record.Header.Info & TransactionHasInfo) != 0
                ? TransactionLists.FindPrepared(data[8..], fact.Kind == WalFactKind.CommitPrepared, record.PageMagic)
                : null;
        }

        return fact with { Time = TimeAt(data), Xid = xid is 0 ? null : xid };
    }

    private static WalFact? Checkpoint(WalFact fact, ReadOnlySpan<byte> data)
    {
        const int NextXid = 24;
        const int Time = 64;
        const int OldestActiveXid = 80;
        if (data.Length < OldestActiveXid + sizeof(uint))
        {
            return null;
        }

        // Of an online checkpoint the next transaction is that at its end. Oldest is 0 where nothing is known of it.
        var next = BinaryPrimitives.ReadUInt32LittleEndian(data[NextXid..]);
        var oldest = fact.Kind == WalFactKind.CheckpointShutdown
            ? next : BinaryPrimitives.ReadUInt32LittleEndian(data[OldestActiveXid..]);
        return fact with
        {
            Time = SecondsTime(BinaryPrimitives.ReadInt64LittleEndian(data[Time..])),
            NextXid = next,
            OldestRunningXid = oldest == 0 ? null : oldest,
        };
    }

    private static WalFact? NamedPoint(WalFact fact, ReadOnlySpan<byte> data)
    {
        if (data.Length < 8 + RestorePointNameBytes)
        {
            return null;
        }

        var name = data.Slice(8, RestorePointNameBytes);
        var end = name.IndexOf((byte)0);
        return fact with { Time = TimeAt(data), Name = Encoding.UTF8.GetString(end < 0 ? name : name[..end]) };
    }

    /// <summary>PostgreSQL's timestamps: microseconds since the year 2000. Null where no calendar has it.</summary>
    private static DateTimeOffset? TimeAt(ReadOnlySpan<byte> data)
    {
        var epoch = new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var microseconds = BinaryPrimitives.ReadInt64LittleEndian(data);
        return microseconds >= (DateTimeOffset.MinValue - epoch).Ticks / TimeSpan.TicksPerMicrosecond
            && microseconds <= (DateTimeOffset.MaxValue - epoch).Ticks / TimeSpan.TicksPerMicrosecond
            ? epoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond)
            : null;
    }

    private static DateTimeOffset? SecondsTime(long seconds) =>
        seconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds() && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;
}
