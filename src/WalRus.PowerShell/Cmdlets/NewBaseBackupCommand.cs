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
/// </summary>
[Cmdlet(VerbsCommon.New, "BaseBackup", SupportsShouldProcess = true, DefaultParameterSetName = RemoteSet)]
[OutputType(typeof(PgBackup))]
public sealed class NewBaseBackupCommand : WalRusCmdlet
{
    private const string LocalSet = "Local";
    private const string RemoteSet = "Remote";

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
        if (!ShouldProcess(target, dataDirectory is null ? "Make a remote base backup" : "Make a base backup"))
        {
            return;
        }

        var request = new BackupPushRequest
        {
            DataDirectory = dataDirectory,
            Permanent = Permanent,
            VerifyPageChecksums = VerifyChecksum,
            UserData = UserData is null ? null : ToJson(UserData),
        };
        var made = TryRun(
            target,
            pump => PushAsync(Engine(pump), request with { Progress = pump }),
            out var result);
        if (!made)
        {
            return;
        }

        foreach (var warning in result!.Warnings)
        {
            WriteWarning(warning);
        }

        WriteObject(PgBackup.From(result.Backup));
    }

    /// <summary>What no parameter says, wal-g's settings do.</summary>
    private Task<BackupPushResult> PushAsync(WalRusEngine engine, BackupPushRequest request)
    {
        var settings = engine.Settings;
        return engine.CreateBackupPush(engine.BackupPushOptions).RunAsync(
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
