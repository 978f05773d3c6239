namespace WalRus.Tests;

/// <summary>What kind of cluster a test needs; the defaults are a small, quick one that archives into a folder.</summary>
internal sealed record PostgresClusterOptions
{
    /// <summary>13 to 18.</summary>
    public int Major { get; init; } = 15;

    /// <summary>initdb's --wal-segsize; null for 16.</summary>
    public int? WalSegmentMegabytes { get; init; }

    public bool DataChecksums { get; init; } = true;

    /// <summary>Copies finished segments to <see cref="PostgresCluster.ArchiveFolder"/>; false turns archive_mode off.</summary>
    public bool Archiving { get; init; } = true;

    /// <summary>Replaces the copying archive_command. Values are written to postgresql.conf with quotes doubled.</summary>
    public string? ArchiveCommand { get; init; }

    /// <summary>pg_hba.conf's method for local connections; "scram-sha-256" goes with <see cref="Password"/>.</summary>
    public string Authentication { get; init; } = "trust";

    /// <summary>The superuser's password; null for none.</summary>
    public string? Password { get; init; }

    /// <summary>Also listens on 127.0.0.1 at <see cref="PostgresCluster.Port"/>.</summary>
    public bool ListenOnLoopback { get; init; } = OperatingSystem.IsWindows();

    /// <summary>More lines for postgresql.conf, name and unquoted value; they win over the fixture's own.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Variables for the server, and so for its archive_command and restore_command.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
