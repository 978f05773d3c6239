using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace WalRus.Cli.Client;

/// <summary>
/// The system calls themselves. .NET's sockets start an event thread, which is more than half of such a short process; the
/// numbers are those of Linux on x64 and arm64.
/// </summary>
internal sealed unsafe partial class LinuxSocket : ClientSocket
{
    private const int Unix = 1;
    private const int StreamCloseOnExec = 1 | 0x80000;
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int SendTimeout = 21;
    private const int NoSignal = 0x4000;
    private const short Readable = 1;

    private const int NotPermitted = 1;
    private const int NoEntry = 2;
    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const int AccessDenied = 13;
    private const int NotADirectory = 20;
    private const int Refused = 111;

    /// <summary>sun_path, its terminating zero included.</summary>
    private const int PathBytes = 108;

    private int descriptor = -1;

    public override Reached Connect(string path, TimeSpan timeout, uint? trustedUserId)
    {
        var bytes = Encoding.UTF8.GetBytes(path);
        descriptor = socket(Unix, StreamCloseOnExec, 0);
        if (descriptor < 0 || bytes.Length >= PathBytes)
        {
            return Reached.Failed;
        }

        var address = stackalloc byte[2 + PathBytes];
        *(ushort*)address = Unix;
        bytes.CopyTo(new Span<byte>(address + 2, PathBytes - 1));
        address[2 + bytes.Length] = 0;

        // A listener whose queue is full makes connect wait: no longer than a send may.
        SetSendTimeout(timeout);
        while (connect(descriptor, address, 2 + bytes.Length + 1) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted: continue;
                case NoEntry or NotADirectory: return Reached.NoSocket;
                case Refused: return Reached.NobodyListens;
                case TryAgain: return Reached.TimedOut;
                case AccessDenied or NotPermitted: return Reached.Denied;
                default: return Reached.Failed;
            }
        }

        return Trusts(trustedUserId) ? Reached.Yes : Reached.Stranger;
    }

    public override bool Send(ReadOnlySpan<byte> bytes, TimeSpan timeout)
    {
        var start = Stopwatch.GetTimestamp();
        fixed (byte* first = bytes)
        {
            var sent = 0;
            while (sent < bytes.Length)
            {
                SetSendTimeout(timeout - Stopwatch.GetElapsedTime(start));
                var count = send(descriptor, first + sent, bytes.Length - sent, NoSignal);
                if (count > 0)
                {
                    sent += (int)count;
                }
                else if (Marshal.GetLastPInvokeError() != Interrupted)
                {
                    return false;
                }
            }
        }

        return true;
    }

    public override int Receive(Span<byte> into, TimeSpan timeout)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            var left = (timeout - Stopwatch.GetElapsedTime(start)).TotalMilliseconds;
            var wait = new PollEntry { Descriptor = descriptor, Events = Readable };
            var ready = poll(&wait, 1, (int)Math.Clamp(Math.Ceiling(left), 0, int.MaxValue));
            if (ready == 0)
            {
                return -1;
            }

            if (ready < 0)
            {
                if (Marshal.GetLastPInvokeError() == Interrupted)
                {
                    continue;
                }

                return 0;
            }

            fixed (byte* first = into)
            {
                return Math.Max(0, (int)recv(descriptor, first, into.Length, 0));
            }
        }
    }

    public override void Dispose()
    {
        if (descriptor >= 0)
        {
            close(descriptor);
            descriptor = -1;
        }
    }

    /// <summary>
    /// Whoever may write to the folder of an absent socket (often /tmp) could listen there and answer "done": what says that WAL
    /// is safe must be this account or root. For root itself anybody will do.
    /// </summary>
    private bool Trusts(uint? trustedUserId)
    {
        var peer = default(Credentials);
        var length = sizeof(Credentials);
        var self = geteuid();
        return self == 0
            || (getsockopt(descriptor, SocketLevel, PeerCredentials, &peer, &length) == 0
                && (peer.UserId == self || peer.UserId == 0 || peer.UserId == trustedUserId));
    }

    private void SetSendTimeout(TimeSpan timeout)
    {
        // Zero would mean for ever.
        var microseconds = Math.Max(1, (long)timeout.TotalMicroseconds);
        var time = new TimeValue { Seconds = microseconds / 1_000_000, Microseconds = microseconds % 1_000_000 };
        setsockopt(descriptor, SocketLevel, SendTimeout, &time, sizeof(TimeValue));
    }

    private struct TimeValue
    {
        public long Seconds;
        public long Microseconds;
    }

    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    private struct Credentials
    {
        public int ProcessId;
        public uint UserId;
        public uint GroupId;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int descriptor, byte* address, int length);

    [LibraryImport("libc")]
    private static partial int setsockopt(int descriptor, int level, int option, void* value, int length);

    [LibraryImport("libc")]
    private static partial int getsockopt(int descriptor, int level, int option, void* value, int* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int descriptor, byte* bytes, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int descriptor, byte* into, nint length, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
