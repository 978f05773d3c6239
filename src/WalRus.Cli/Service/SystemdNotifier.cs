using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace WalRus.Cli.Service;

/// <summary>Tells systemd what the process is doing (sd_notify(3)): datagrams to the socket NOTIFY_SOCKET names.</summary>
/// <param name="socketPath">A path, or "@name" in the abstract namespace; null where nobody listens: then nothing is sent.</param>
internal sealed class SystemdNotifier(string? socketPath)
{
    public bool IsListenedTo => socketPath is not null;

    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    public void Status(string status) => Send($"STATUS={status}");

    public void Alive() => Send("WATCHDOG=1");

    public void Stopping() => Send("STOPPING=1\nSTATUS=Finishing what is under way");

    /// <summary>READY=1 must follow. The time is what Type=notify-reload wants.</summary>
    public void Reloading() => Send(string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}"));

    private void Send(string message)
    {
        if (socketPath is null)
        {
            return;
        }

        try
        {
            var address = socketPath[0] == '@' ? $"\0{socketPath[1..]}" : socketPath;
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            socket.SendTo(Encoding.UTF8.GetBytes(message), new UnixDomainSocketEndPoint(address));
        }
        catch (SocketException)
        {
            // systemd restarts, or its queue is full: the next message says the same.
        }
    }
}
