using System.Management.Automation;
using System.Text.Json;
using WalRus.Backup;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Makes a base backup.</para>
/// <para type="description">New-BaseBackup copies the data directory of a running server into the archive, from a primary or a
/// standby; without a data directory the server sends it over the network. The backup is listed only once all of it is
/// durable; one that fails or is stopped leaves nothing.</para>
/// <para type="description">With WALG_DELTA_MAX_STEPS above 0 a backup holds only what changed since the newest one, until that
/// many deltas follow a full backup. -WhatIf says which it would be, and why. Where a delta is asked for and cannot be made, the
/// backup is full, with a warning and the reason in the property Fallback.</para>
/// </summary>
[Cmdlet(VerbsCommon.New, "BaseBackup", SupportsShouldProcess = true, DefaultParameterSetName = RemoteSet)]
[OutputType(typeof(PgBackup))]
public sealed class NewBaseBackupCommand : WalRusCmdlet
{
    private const string LocalSet = "Local";
    private const string RemoteSet = "Remote";

    private BackupPush? operation;

    /// <summary>The server's data directory on this machine.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = LocalSet)]
    [Alias("PGDATA", "Path")]
    [ValidateNotNullOrEmpty]
    public string DataDirectory { get; set; } = "";

    /// <summary>Have the server send its files; what happens too when no data directory is given.</summary>
    [Parameter(ParameterSetName = RemoteSet)]
    public SwitchParameter Remote { get; set; }

    /// <summary>Keep it when retention deletes others.</summary>
    [Parameter]
    public SwitchParameter Permanent { get; set; }

    /// <summary>A full backup, whatever the settings say about deltas.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>The backup to make a delta of, instead of the newest.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? DeltaFrom { get; set; }

    /// <summary>The backup to make a delta of, by the user data kept with it.</summary>
    [Parameter]
    public PSObject? DeltaFromUserData { get; set; }

    /// <summary>What a delta learns changed blocks from: every page, the WAL, or the server's WAL summaries.</summary>
    [Parameter]
    [ValidateSet("Pages", "Wal", "Summaries")]
    public string? BlockSource { get; set; }

    /// <summary>How changed pages are written: Wi1 is wal-g's; Native is PostgreSQL's, which wal-g cannot read.</summary>
    [Parameter]
    [ValidateSet("Wi1", "Native")]
    public string? IncrementFormat { get; set; }

    /// <summary>Verify the checksum of every page while it is read.</summary>
    [Parameter]
    public SwitchParameter VerifyChecksum { get; set; }

    /// <summary>Anything to keep with the backup: a hashtable, an object, text.</summary>
    [Parameter]
    public PSObject? UserData { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var dataDirectory = ParameterSetName == LocalSet ? ResolvePath(DataDirectory) : null;
        var target = dataDirectory ?? "the server that PGHOST names";
        var request = new BackupPushRequest
        {
            DataDirectory = dataDirectory,
            Permanent = Permanent,
            Full = Full,
            VerifyPageChecksums = VerifyChecksum,
            UserData = UserData is null ? null : ToJson(UserData),
        };
        var parentData = DeltaFromUserData is null ? (JsonElement?)null : ToJson(DeltaFromUserData);
        if (!TryRun(target, pump => Operation(Engine(pump), parentData).PlanAsync(request, StopToken), out var plan)
            || !ShouldProcess(target, Describe(plan!, dataDirectory is null)))
        {
            return;
        }

        if (TryRun(target, pump => PushAsync(Engine(pump), parentData, request with { Progress = pump }), out var result))
        {
            WriteObject(PgBackup.From(result!.Backup, result.Fallback));
        }
    }

    private static string Describe(BackupPushPlan plan, bool isRemote)
    {
        var remote = isRemote ? "remote " : "";
        return plan.Parent is { } parent
            ? $"Make a {remote}delta backup of {parent.Name} ({plan.Reason})"
            : $"Make a full {remote}backup ({plan.Reason})";
    }

    /// <summary>Made once a cmdlet.</summary>
    private BackupPush Operation(WalRusEngine engine, JsonElement? parentData)
    {
        var options = engine.BackupPushOptions;
        return operation ??= engine.CreateBackupPush(options with
        {
            Delta = options.Delta with
            {
                FromName = DeltaFrom ?? options.Delta.FromName,
                FromUserData = parentData ?? options.Delta.FromUserData,
                OpenSource = BlockSource is null
                    ? options.Delta.OpenSource
                    : engine.BlockSource(Enum.Parse<Delta.BlockSourceKind>(BlockSource, ignoreCase: true)),
                Format = IncrementFormat is null
                    ? options.Delta.Format
                    : Enum.Parse<Delta.IncrementFormat>(IncrementFormat, ignoreCase: true),
            },
        });
    }

    /// <summary>What no parameter says, wal-g's settings do.</summary>
    private Task<BackupPushResult> PushAsync(WalRusEngine engine, JsonElement? parentData, BackupPushRequest request)
    {
        var settings = engine.Settings;
        return Operation(engine, parentData).RunAsync(
            request with
            {
                VerifyPageChecksums = request.VerifyPageChecksums || settings.Boolean(SettingCatalog.VerifyPageChecksums),
                UserData = request.UserData ?? settings.Json(SettingCatalog.SentinelUserData),
            },
            StopToken);
    }

    /// <summary>PowerShell's own rules for objects as JSON.</summary>
    private JsonElement ToJson(PSObject value)
    {
        var text = InvokeCommand.InvokeScript("param($value) ConvertTo-Json -InputObject $value -Depth 20 -Compress", value)
            .Single().ToString()!;
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
