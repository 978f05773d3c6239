using System.Collections;
using System.Management.Automation;
using System.Security;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>Makes a configuration object for -Configuration, or for the whole session.</summary>
[Cmdlet(VerbsCommon.New, "WalRusConfiguration")]
[OutputType(typeof(WalRusConfiguration))]
public sealed class NewWalRusConfigurationCommand : PSCmdlet
{
    /// <summary>Where the archive is: a folder, or s3://bucket/path.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Store")]
    [ValidateNotNullOrEmpty]
    public string? Prefix { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("Config")]
    [ValidateNotNullOrEmpty]
    public string? ConfigFile { get; set; }

    [Parameter]
    public SwitchParameter FromEnvironment { get; set; }

    /// <summary>Settings by wal-g's names; a SecureString is a secret.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? Setting { get; set; }

    /// <summary>The store's access key and secret key.</summary>
    [Parameter]
    [ValidateNotNull]
    public PSCredential? StoreCredential { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Endpoint { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Region { get; set; }

    /// <summary>A profile of the AWS files.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? ProfileName { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? RoleArn { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PostgresHost { get; set; }

    [Parameter]
    [ValidateRange(1, 65535)]
    public int PostgresPort { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PostgresDatabase { get; set; }

    /// <summary>The role and its password.</summary>
    [Parameter]
    [ValidateNotNull]
    public PSCredential? PostgresCredential { get; set; }

    [Parameter]
    [ArgumentCompleter(typeof(CompressionMethodCompleter))]
    [ValidateNotNullOrEmpty]
    public string? CompressionMethod { get; set; }

    [Parameter]
    [ValidateNotNull]
    public SecureString? LibsodiumKey { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LibsodiumKeyPath { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PgpKeyPath { get; set; }

    [Parameter]
    [ValidateNotNull]
    public SecureString? PgpKeyPassphrase { get; set; }

    /// <summary>Settings whose value Get-Secret gives: @{ AWS_SECRET_ACCESS_KEY = 'backup-s3' }.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? SecretName { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? VaultName { get; set; }

    /// <summary>Make it what the cmdlets of this session use when no -Configuration is given.</summary>
    [Parameter]
    public SwitchParameter AsDefault { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        try
        {
            var made = Make();

            // Names that nobody knows and a file that does not parse are said here, not at the first use.
            SessionSettings.Load(null, null, made);
            if (AsDefault)
            {
                SessionDefault.Configuration = made;
            }

            WriteObject(made);
        }
        catch (WalRusException failure)
        {
            ThrowTerminatingError(EngineErrors.ToRecord(failure, Prefix ?? ConfigFile));
        }
    }

    private WalRusConfiguration Make()
    {
        var draft = new ConfigurationDraft();
        AddStore(draft);
        draft.Add(SettingCatalog.PgHost, PostgresHost);
        draft.Add(SettingCatalog.PgPort, PostgresPort == 0 ? null : PostgresPort);
        draft.Add(SettingCatalog.PgDatabase, PostgresDatabase);
        draft.Add(SettingCatalog.PgUser, SettingCatalog.PgPassword, PostgresCredential);
        draft.Add(SettingCatalog.CompressionMethod, CompressionMethod);
        draft.Add(SettingCatalog.LibsodiumKey, LibsodiumKey);
        draft.Add(SettingCatalog.LibsodiumKeyPath, LibsodiumKeyPath is null ? null : Resolve(LibsodiumKeyPath));
        draft.Add(SettingCatalog.PgpKeyPath, PgpKeyPath is null ? null : Resolve(PgpKeyPath));
        draft.Add(SettingCatalog.PgpKeyPassphrase, PgpKeyPassphrase);
        draft.AddAll(Setting);
        draft.AddNames(SecretName);
        return draft.Finish(ConfigFile is null ? null : Resolve(ConfigFile), FromEnvironment, VaultName);
    }

    private void AddStore(ConfigurationDraft draft)
    {
        if (Prefix is not null)
        {
            var isBucket = Prefix.StartsWith("s3://", StringComparison.OrdinalIgnoreCase);
            draft.Add(
                isBucket ? SettingCatalog.S3Prefix : SettingCatalog.FilePrefix,
                isBucket || Prefix.StartsWith("file://", StringComparison.OrdinalIgnoreCase) ? Prefix : Resolve(Prefix));
        }

        draft.Add(SettingCatalog.AwsAccessKeyId, SettingCatalog.AwsSecretAccessKey, StoreCredential);
        draft.Add(SettingCatalog.AwsEndpoint, Endpoint);
        draft.Add(SettingCatalog.AwsRegion, Region);
        draft.Add(SettingCatalog.AwsProfile, ProfileName);
        draft.Add(SettingCatalog.AwsRoleArn, RoleArn);
    }

    private string Resolve(string path) => GetUnresolvedProviderPathFromPSPath(path);
}
