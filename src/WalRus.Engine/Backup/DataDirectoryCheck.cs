using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Makes sure that a directory on this machine is the one the connected server runs on. Two nodes of a cluster have the
/// same path and the same system identifier: a backup of one's files in the other's backup mode would be garbage.
/// </summary>
internal static class DataDirectoryCheck
{
    /// <summary>The server counts its start from a moment after it wrote its pid file.</summary>
    private static readonly TimeSpan StartTolerance = TimeSpan.FromMinutes(2);

    /// <summary>Line 3 of postmaster.pid: when the postmaster started, seconds since 1970.</summary>
    private const int StartTimeLine = 2;

    /// <summary>The data directory with all links resolved.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.DataDirectoryMismatch"/>, <see cref="ErrorCode.DataDirectoryInvalid"/>,
    /// <see cref="ErrorCode.FileAccessDenied"/>.
    /// </exception>
    public static string Resolve(string given, ServerFacts server)
    {
        try
        {
            var resolved = DirectoryPath.Resolve(given);
            if (!DirectoryPath.AreSame(resolved, DirectoryPath.Resolve(server.DataDirectory)))
            {
                throw Mismatch(given, $"the server's data directory is '{server.DataDirectory}'");
            }

            if (!Directory.Exists(resolved))
            {
                throw Mismatch(given, "it does not exist on this machine");
            }

            CheckIdentity(resolved, server);
            return resolved;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw failure is FileNotFoundException or DirectoryNotFoundException
                ? Mismatch(given, $"it is no running server's: {failure.Message}")
                : DataFile.Translate(failure, given);
        }
    }

    private static void CheckIdentity(string folder, ServerFacts server)
    {
        if (server.Version < ServerFacts.NewerVersion)
        {
            var control = ControlFileContent.Read(folder, server.Version).Parsed!;
            if (control.SystemIdentifier != server.SystemIdentifier)
            {
                throw Mismatch(
                    folder,
                    $"its system identifier is {control.SystemIdentifier}, the server's {server.SystemIdentifier}");
            }

            if (control.State == ClusterState.InArchiveRecovery != server.IsInRecovery)
            {
                throw Mismatch(
                    folder, server.IsInRecovery ? "it is not a standby's, the server is one" : "it is a standby's, the server is none");
            }
        }

        CheckStart(folder, server);
    }

    private static void CheckStart(string folder, ServerFacts server)
    {
        using var lines = new StreamReader(new FileStream(
            Path.Combine(folder, "postmaster.pid"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        string? line = null;
        for (var i = 0; i <= StartTimeLine; i++)
        {
            line = lines.ReadLine();
        }

        if (long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            && (server.PostmasterStarted - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > StartTolerance)
        {
            throw Mismatch(
                folder,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"its server started at {DateTimeOffset.FromUnixTimeSeconds(seconds):u}, the connected one at {server.PostmasterStarted:u}"));
        }
    }

    private static WalRusException Mismatch(string folder, string why) => new(
        ErrorCode.DataDirectoryMismatch,
        $"'{folder}' is not the data directory of the server that PGHOST names: {why}.",
        "Run the backup on the server's own machine, and connect to that server (PGHOST, PGPORT), not to another node.");
}
