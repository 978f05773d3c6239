namespace WalRus.Backup;

/// <summary>
/// Permissions of restored files on Unix. PostgreSQL starts only on a data directory of mode 0700 or, for clusters that
/// let a group read, 0750; files follow their headers.
/// </summary>
internal static class RestoreModes
{
    public const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public const UnixFileMode PrivateFolder = PrivateFile | UnixFileMode.UserExecute;

    private const int PermissionBits = 0x1FF;

    /// <summary>The header's permissions, never less than the owner needs; set-id bits are dropped.</summary>
    public static UnixFileMode File(int headerMode) => (UnixFileMode)(headerMode & PermissionBits) | PrivateFile;

    public static UnixFileMode Folder(int headerMode) => (UnixFileMode)(headerMode & PermissionBits) | PrivateFolder;

    public static UnixFileMode DataDirectory(int headerMode) => ((UnixFileMode)headerMode).HasFlag(UnixFileMode.GroupRead)
        ? PrivateFolder | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        : PrivateFolder;
}
