using System.Net.Sockets;
using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Daemon;

/// <summary>
/// The Unix socket a daemon listens on. One daemon a socket: a lock file beside it says who; a socket that a dead daemon
/// left is replaced, one that answers or belongs to another user is not. Windows 10 and later have these sockets too.
/// </summary>
internal sealed partial class DaemonSocket : IDisposable
{
    private const int Backlog = 128;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode GroupToo = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    private readonly FileStream held;

    private DaemonSocket(string path, FileStream held, Socket listener)
    {
        Path = path;
        this.held = held;
        Listener = listener;
    }

    public string Path { get; }

    public Socket Listener { get; }

    /// <param name="path">Where it is to be; its folder exists.</param>
    /// <param name="groupMayConnect">Connecting is for this account alone (0600), or for its group too (0660).</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.DaemonAlreadyRunning"/>; <see cref="ErrorCode.FileAccessDenied"/> for another user's socket or
    /// folder; <see cref="ErrorCode.FileExists"/> for something that is no socket; <see cref="ErrorCode.InvalidArgument"/>.
    /// </exception>
    public static DaemonSocket Listen(string path, bool groupMayConnect)
    {
        path = System.IO.Path.GetFullPath(path);
        var address = DaemonClient.EndPoint(path);
        var held = Hold(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            RemoveStale(path, address);
            listener.Bind(address);

            // Nobody can connect before Listen, so there is no moment with wider rights.
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, groupMayConnect ? GroupToo : OwnerOnly);
            }

            listener.Listen(Backlog);
            return new DaemonSocket(path, held, listener);
        }
        catch (Exception failure)
        {
            listener.Dispose();
            held.Dispose();
            throw failure is WalRusException ? failure : Translate(failure, path);
        }
    }

    /// <summary>Ends listening and removes the socket. The lock file stays: removing it could unlock another daemon's.</summary>
    public void Dispose()
    {
        Listener.Dispose();
        try
        {
            File.Delete(Path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The next daemon replaces it.
        }

        held.Dispose();
    }

    private static FileStream Hold(string path)
    {
        var file = path + ".lock";
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        try
        {
            return new FileStream(file, options);
        }
        catch (DirectoryNotFoundException missing)
        {
            throw DurableFile.Translate(missing, file);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw DurableFile.Translate(denied, file);
        }
        catch (IOException taken)
        {
            throw AlreadyRunning(path, taken);
        }
    }

    private static void RemoveStale(string path, UnixDomainSocketEndPoint address)
    {
        var existing = new FileInfo(path);
        if (!existing.Exists)
        {
            return;
        }

        if (existing.Length > 0)
        {
            throw new WalRusException(
                ErrorCode.FileExists, $"'{path}' is a file, not a socket.", "Give the daemon a path of its own.");
        }

        if (!OperatingSystem.IsWindows() && UnixFiles.OwnerOf(path) is { } owner && owner.UserId != EffectiveUser())
        {
            throw new WalRusException(
                ErrorCode.FileAccessDenied,
                $"The socket '{path}' belongs to another user (number {owner.UserId}).",
                "Run the daemon as that user, or give it a path of its own.");
        }

        // Not blocking: a daemon that hangs with a full queue lets nobody through, and is there nevertheless.
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(address);
        }
        catch (SocketException nobody) when (nobody.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        catch (SocketException busy) when (busy.SocketErrorCode is SocketError.WouldBlock or SocketError.TryAgain)
        {
        }

        throw AlreadyRunning(path, null);
    }

    private static WalRusException AlreadyRunning(string path, Exception? inner) => new(
        ErrorCode.DaemonAlreadyRunning,
        $"A daemon runs already on '{path}'.",
        "'walrus daemon --status SOCKET' asks it; stop it first, or give this one another socket.",
        inner);

    private static WalRusException Translate(Exception failure, string path) => failure switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } => DurableFile.Translate(
            new UnauthorizedAccessException(failure.Message, failure), path),
        SocketException => new WalRusException(
            ErrorCode.FileFailed, $"'{path}' cannot be listened on: {failure.Message}.", null, failure),
        _ => DurableFile.Translate(failure, path),
    };

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}
