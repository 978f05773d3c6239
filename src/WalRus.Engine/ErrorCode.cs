namespace WalRus;

/// <summary>
/// Every way the engine can fail, one name each. The name is the PowerShell ErrorId and the JSON log's <c>code</c>;
/// <see cref="ErrorCodes"/> adds the error category and the exit code. Names are stable: scripts match on them.
/// </summary>
public enum ErrorCode
{
    Unexpected = 0,

    // Settings
    SettingInvalid,
    SettingMissing,
    SettingNotSupported,
    ConfigurationFileInvalid,

    // Object store
    StoreNotFound,
    StoreAccessDenied,
    StoreCredentialsExpired,
    StoreClockSkewed,
    StoreUnreachable,
    StoreThrottled,
    StoreFailed,
    ObjectNotFound,
    ObjectExists,
    ObjectCorrupt,
    ObjectNotDeletable,

    // Codecs and keys
    CodecUnknown,
    NativeLibraryMissing,
    EncryptionKeyMissing,
    EncryptionKeyInvalid,
    EncryptionToolMissing,
    DecryptionFailed,

    // WAL
    WalSegmentNotFound,
    WalSegmentConflict,
    WalSegmentForeign,
    WalSegmentInvalid,
    WalSourceNotFound,

    // Backups
    BackupNotFound,
    BackupAmbiguous,
    BackupUnreadable,
    BackupIncomplete,
    BackupDeltaUnsupported,
    BackupPartFailed,
    BackupExists,
    ChangedBlocksUnknown,
    BackupParentUnusable,
    BackupPermanent,
    BackupNeeded,
    ArchiveChanged,

    // Restore and recovery
    DestinationNotEmpty,
    DestinationForeign,
    DestinationInvalid,
    PathEscapesDestination,
    TablespaceMappingInvalid,
    RecoveryTargetUnreachable,
    RecoveryWalMissing,
    RecoveryTargetInvalid,

    // Restore drills
    DrillFailed,

    // PostgreSQL
    PostgresUnreachable,
    PostgresAuthenticationFailed,
    PostgresPrivilegeMissing,
    PostgresVersionUnsupported,
    PostgresQueryFailed,
    PostgresConnectionLost,
    PostgresTimelineChanged,
    PostgresProtocolViolation,
    ReplicationSlotUnusable,
    ReplicationWalMissing,
    DataDirectoryMismatch,
    DataDirectoryInvalid,

    // This machine
    FileNotFound,
    FileExists,
    FileAccessDenied,
    FileFailed,
    DiskFull,

    // Time
    DeadlineExceeded,
    Cancelled,

    // The daemon
    DaemonUnreachable,
    DaemonAlreadyRunning,
    DaemonRefused,
    DaemonProtocolViolation,

    InvalidArgument,
}
