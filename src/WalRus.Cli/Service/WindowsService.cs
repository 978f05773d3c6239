using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WalRus.Cli.Service;

/// <summary>
/// The daemon under Windows' service control manager: start, stop and shutdown with a drained end, "sc control NAME
/// paramchange" as a reload. One service a process.
/// </summary>
[SupportedOSPlatform("windows")]
internal static unsafe partial class WindowsService
{
    private const uint OwnProcess = 0x10;
    private const uint Stopped = 1;
    private const uint StartPending = 2;
    private const uint StopPending = 3;
    private const uint Running = 4;
    private const uint AcceptStop = 1;
    private const uint AcceptShutdown = 4;
    private const uint AcceptParameterChange = 8;
    private const uint ControlStop = 1;
    private const uint ControlInterrogate = 4;
    private const uint ControlShutdown = 5;
    private const uint ControlParameterChange = 6;
    private const uint ErrorNone = 0;
    private const uint ErrorNotImplemented = 120;
    private const uint ErrorServiceSpecific = 1066;

    /// <summary>How long the manager should wait for the next word of a pending state, in milliseconds.</summary>
    private const uint PendingHint = 60_000;

    private static readonly CancellationTokenSource Stopping = new();
    private static DaemonHost? host;
    private static nint nameText;
    private static nint statusHandle;
    private static int exitCode = ExitCodes.Failure;

    /// <summary>Gives this thread to the service control manager until the service has ended.</summary>
    /// <exception cref="WalRusException">The process was not started by the service control manager.</exception>
    public static int Run(string name, DaemonHost daemon)
    {
        host = daemon;
        nameText = Marshal.StringToHGlobalUni(name);
        var table = stackalloc TableEntry[2];
        table[0] = new TableEntry { Name = nameText, Main = &Serve };
        table[1] = default;
        if (!StartDispatcher(table))
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"The service control manager did not start this process: {Marshal.GetLastPInvokeErrorMessage()}",
                "--service is for the command line of a service (docs/DAEMON.md); leave it out to run the daemon by hand.");
        }

        return exitCode;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvStdcall)])]
    private static void Serve(uint count, nint* arguments)
    {
        statusHandle = RegisterHandler(nameText, &Control, 0);
        Report(StartPending);
        try
        {
            Report(Running);
            exitCode = host!.RunAsync(Stopping.Token).GetAwaiter().GetResult();
        }
        catch (Exception failure)
        {
            // No exception may leave a callback of the system; the manager shows the code, the log the reason.
            host!.Fail(failure);
        }

        Report(Stopped);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvStdcall)])]
    private static uint Control(uint control, uint eventType, nint eventData, nint context)
    {
        switch (control)
        {
            case ControlStop or ControlShutdown:
                Report(StopPending);
                Stopping.Cancel();
                return ErrorNone;
            case ControlParameterChange:
                Task.Run(host!.Reload);
                return ErrorNone;
            case ControlInterrogate:
                return ErrorNone;
            default:
                return ErrorNotImplemented;
        }
    }

    private static void Report(uint state)
    {
        var failed = state == Stopped && exitCode != ExitCodes.Success;
        var status = new ServiceStatus
        {
            Type = OwnProcess,
            State = state,
            Accepted = state == Running ? AcceptStop | AcceptShutdown | AcceptParameterChange : 0,
            ExitCode = failed ? ErrorServiceSpecific : ErrorNone,
            SpecificExitCode = failed ? (uint)exitCode : 0,
            WaitHint = state is StartPending or StopPending ? PendingHint : 0,
        };
        SetStatus(statusHandle, &status);
    }

    [LibraryImport("advapi32", EntryPoint = "StartServiceCtrlDispatcherW", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool StartDispatcher(TableEntry* table);

    [LibraryImport("advapi32", EntryPoint = "RegisterServiceCtrlHandlerExW", SetLastError = true)]
    private static partial nint RegisterHandler(
        nint name, delegate* unmanaged[Stdcall]<uint, uint, nint, nint, uint> handler, nint context);

    [LibraryImport("advapi32", EntryPoint = "SetServiceStatus", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool SetStatus(nint handle, ServiceStatus* status);

    private struct TableEntry
    {
        public nint Name;
        public delegate* unmanaged[Stdcall]<uint, nint*, void> Main;
    }

    private struct ServiceStatus
    {
        public uint Type;
        public uint State;
        public uint Accepted;
        public uint ExitCode;
        public uint SpecificExitCode;
        public uint CheckPoint;
        public uint WaitHint;
    }
}
