namespace WalRus;

/// <summary>What each <see cref="ErrorCode"/> means outside the engine: one table for every face.</summary>
public static class ErrorCodes
{
    /// <summary>EX_IOERR: what wal-g's <c>wal-fetch</c> exits with when the archive does not hold the file.</summary>
    public const int ExitWalNotFound = 74;

    /// <summary>
    /// Above 125, which PostgreSQL takes from restore_command as a reason to stop instead of "the archive ends here"
    /// (xlogarchive.c, RestoreArchivedFile).
    /// </summary>
    public const int ExitStopsRecovery = 200;

    /// <summary>The process exit code a command ends with when it fails with <paramref name="code"/>.</summary>
    public static int ExitCode(ErrorCode code) => code == ErrorCode.WalSegmentNotFound ? ExitWalNotFound : 1;

    /// <summary>The name of the PowerShell <c>ErrorCategory</c> for <paramref name="code"/>; the engine knows no PowerShell.</summary>
    public static string Category(ErrorCode code) => code switch
    {
        ErrorCode.SettingInvalid or ErrorCode.InvalidArgument or ErrorCode.TablespaceMappingInvalid
            or ErrorCode.RecoveryTargetInvalid or ErrorCode.DestinationInvalid or ErrorCode.EncryptionKeyInvalid
            => "InvalidArgument",
        ErrorCode.SettingMissing or ErrorCode.EncryptionKeyMissing or ErrorCode.EncryptionToolMissing
            or ErrorCode.NativeLibraryMissing => "NotInstalled",
        ErrorCode.SettingNotSupported or ErrorCode.BackupDeltaUnsupported or ErrorCode.PostgresVersionUnsupported
            => "NotImplemented",
        ErrorCode.StoreNotFound or ErrorCode.ObjectNotFound or ErrorCode.WalSegmentNotFound
            or ErrorCode.WalSourceNotFound or ErrorCode.BackupNotFound or ErrorCode.FileNotFound => "ObjectNotFound",
        ErrorCode.ObjectExists or ErrorCode.WalSegmentConflict or ErrorCode.BackupExists or ErrorCode.FileExists
            or ErrorCode.DestinationNotEmpty or ErrorCode.DestinationForeign or ErrorCode.DaemonAlreadyRunning
            => "ResourceExists",
        ErrorCode.StoreAccessDenied or ErrorCode.FileAccessDenied or ErrorCode.PostgresPrivilegeMissing
            or ErrorCode.ObjectNotDeletable => "PermissionDenied",
        ErrorCode.StoreCredentialsExpired or ErrorCode.PostgresAuthenticationFailed => "AuthenticationError",
        ErrorCode.PathEscapesDestination or ErrorCode.WalSegmentForeign or ErrorCode.DecryptionFailed
            => "SecurityError",
        ErrorCode.StoreUnreachable or ErrorCode.PostgresUnreachable or ErrorCode.PostgresConnectionLost
            or ErrorCode.DaemonUnreachable => "ConnectionError",
        ErrorCode.DeadlineExceeded => "OperationTimeout",
        ErrorCode.Cancelled => "OperationStopped",
        ErrorCode.StoreThrottled => "LimitsExceeded",
        ErrorCode.DiskFull or ErrorCode.RecoveryWalMissing or ErrorCode.ReplicationWalMissing or ErrorCode.RecoveryTargetUnreachable
            or ErrorCode.ChangedBlocksUnknown
            => "ResourceUnavailable",
        ErrorCode.ObjectCorrupt or ErrorCode.CodecUnknown or ErrorCode.WalSegmentInvalid or ErrorCode.BackupUnreadable
            or ErrorCode.BackupIncomplete or ErrorCode.ConfigurationFileInvalid or ErrorCode.DataDirectoryInvalid
            => "InvalidData",
        ErrorCode.BackupAmbiguous => "InvalidArgument",
        ErrorCode.DrillFailed => "InvalidResult",
        ErrorCode.DataDirectoryMismatch or ErrorCode.PostgresTimelineChanged or ErrorCode.BackupPermanent
            or ErrorCode.BackupNeeded or ErrorCode.BackupParentUnusable or ErrorCode.ArchiveChanged
            or ErrorCode.ReplicationSlotUnusable => "InvalidOperation",
        ErrorCode.DaemonProtocolViolation or ErrorCode.PostgresProtocolViolation => "ProtocolError",
        ErrorCode.DaemonRefused or ErrorCode.BackupPartFailed or ErrorCode.PostgresQueryFailed or ErrorCode.StoreFailed
            or ErrorCode.StoreClockSkewed or ErrorCode.FileFailed => "OperationStopped",
        _ => "NotSpecified",
    };
}
