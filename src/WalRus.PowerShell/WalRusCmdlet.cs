using System.Collections;
using System.Management.Automation;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>
/// Base of every cmdlet: settings, asynchronous work on the pipeline's behalf, cancellation, error records. Work runs on
/// pool threads; Ctrl+C cancels it at once, and the engine's own contract leaves nothing half-written.
/// </summary>
public abstract class WalRusCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource stopping = new();
    private readonly PipelineLog log = new();
    private WalRusEngine? engine;
    private IReadOnlyDictionary<string, string>? secrets;

    /// <summary>The settings as one object, by New-WalRusConfiguration; without it the session's default, if it has one.</summary>
    [Parameter]
    [ValidateNotNull]
    [ReceivedConfiguration]
    public WalRusConfiguration? Configuration { get; set; }

    /// <summary>wal-g's configuration file; without it wal-g's default places are looked at. The environment goes above it.</summary>
    [Parameter]
    [Alias("Config")]
    [ValidateNotNullOrEmpty]
    public string? ConfigFile { get; set; }

    /// <summary>Settings by wal-g's names that go above all others, e.g. @{ WALG_FILE_PREFIX = '/backup' }.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? Setting { get; set; }

    /// <summary>Cancelled when the pipeline is stopped.</summary>
    protected CancellationToken StopToken => stopping.Token;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void StopProcessing() => stopping.Cancel();

    /// <inheritdoc/>
    protected override void BeginProcessing() =>
        ConfigurationInForce = Configuration ?? (ConfigFile is null ? SessionDefault.Configuration : null);

    /// <summary>The configuration in force: given, or the session's unless a file is named.</summary>
    internal WalRusConfiguration? ConfigurationInForce { get; private set; }

    /// <summary>The configuration file in force, resolved; null when none is named.</summary>
    internal string? ConfigFileInForce => ConfigFile is null ? ConfigurationInForce?.ConfigFile : ResolvePath(ConfigFile);

    /// <summary>Progress of work that goes on while its results are taken, shown by whatever takes them.</summary>
    internal IProgress<TransferProgress> StreamProgress => log;

    /// <summary>The engine these settings describe; built on first use. A setting that is wrong ends the cmdlet.</summary>
    internal WalRusEngine Engine(PipelinePump pump)
    {
        return engine ??= WalRusEngine.Open(LoadSettings(), log);
    }

    /// <summary>Where an engine of the cmdlet's own reports.</summary>
    internal IEventLog EngineLog => log;

    /// <summary>The settings in force. Secrets by name are looked up once a cmdlet, on the pipeline's thread.</summary>
    /// <exception cref="WalRusException">What is wrong with them.</exception>
    internal WalRusSettings LoadSettings() =>
        SessionSettings.Load(ConfigFile is null ? null : ResolvePath(ConfigFile), Setting, ConfigurationInForce, secrets);

    /// <summary>Runs engine work, showing its log and progress, and returns its result.</summary>
    internal T Run<T>(Func<PipelinePump, Task<T>> work)
    {
        secrets ??= ConfigurationInForce is { } configuration ? SecretVault.Resolve(configuration) : new Dictionary<string, string>();
        using var pump = new PipelinePump(MyInvocation.MyCommand.Name);
        log.LeadTo(pump);
        return pump.Run(this, () => work(pump));
    }

    /// <summary>As <see cref="Run{T}"/>; a failure becomes a non-terminating error about <paramref name="target"/>.</summary>
    /// <returns>False when it failed.</returns>
    internal bool TryRun<T>(object? target, Func<PipelinePump, Task<T>> work, out T? result)
    {
        try
        {
            result = Run(work);
            return true;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (Exception failure) when (failure is not PipelineStoppedException)
        {
            var record = EngineErrors.ToRecord(failure, target);
            if (IsSetup(failure))
            {
                ThrowTerminatingError(record);
            }

            WriteError(record);
            result = default;
            return false;
        }
    }

    /// <summary>
    /// Hands over what the engine finds as it finds it, on the pipeline's thread. Ends early when <paramref name="write"/>
    /// returns false or the pipeline has enough.
    /// </summary>
    /// <returns>False when it failed; that is then a non-terminating error about <paramref name="target"/>.</returns>
    internal bool TryStream<T>(object? target, Func<PipelinePump, IAsyncEnumerable<T>> find, Func<T, bool> write)
    {
        AsyncBatches<T>? batches = null;
        try
        {
            while (TryRun(
                target,
                pump => (batches ??= new AsyncBatches<T>(find(pump), StopToken)).NextAsync(),
                out var batch))
            {
                if (batch is null || !batch.All(write))
                {
                    return true;
                }
            }

            return false;
        }
        finally
        {
            batches?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>A path as the session means it: relative to its location, "~" and drives resolved.</summary>
    protected string ResolvePath(string path) => GetUnresolvedProviderPathFromPSPath(path);

    /// <summary>Releases what the cmdlet holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            // Also after Ctrl+C: work has ended by then, and what the engine holds (buffers, the key, connections) goes at once.
            engine?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            engine = null;
            stopping.Dispose();
        }
    }

    /// <summary>What is wrong for every item of the pipeline ends it; what is wrong with one item does not.</summary>
    private static bool IsSetup(Exception failure) => failure is WalRusException
    {
        Code: ErrorCode.SettingInvalid or ErrorCode.SettingMissing or ErrorCode.SettingNotSupported
            or ErrorCode.ConfigurationFileInvalid or ErrorCode.StoreNotFound or ErrorCode.StoreAccessDenied
            or ErrorCode.StoreCredentialsExpired or ErrorCode.NativeLibraryMissing or ErrorCode.EncryptionKeyInvalid
            or ErrorCode.EncryptionKeyMissing or ErrorCode.EncryptionToolMissing,
    };
}
