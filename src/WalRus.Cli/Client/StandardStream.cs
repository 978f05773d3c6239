using System.Runtime.InteropServices;
using System.Text;

namespace WalRus.Cli.Client;

/// <summary>Writes to standard output and error without .NET's console, whose start costs as much as the whole client.</summary>
internal static unsafe partial class StandardStream
{
    private const int Output = 1;
    private const int Errors = 2;

    public static void WriteOutput(string text) => Write(Output, text);

    public static void WriteErrors(string text) => Write(Errors, text);

    private static void Write(int descriptor, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        if (!OperatingSystem.IsLinux())
        {
            using var stream = descriptor == Output ? Console.OpenStandardOutput() : Console.OpenStandardError();
            stream.Write(bytes);
            return;
        }

        fixed (byte* first = bytes)
        {
            // Whoever closed the stream does not want the rest.
            for (nint written, done = 0; done < bytes.Length; done += written)
            {
                if ((written = write(descriptor, first + done, bytes.Length - done)) <= 0)
                {
                    return;
                }
            }
        }
    }

    [LibraryImport("libc")]
    private static partial nint write(int descriptor, byte* bytes, nint length);
}
