using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Forgets the session's default configuration.</summary>
[Cmdlet(VerbsCommon.Clear, "WalRusConfiguration", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class ClearWalRusConfigurationCommand : PSCmdlet
{
    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (SessionDefault.Configuration is { } configuration
            && ShouldProcess(configuration.ToString(), "Forget this session's default configuration"))
        {
            SessionDefault.Configuration = null;
        }
    }
}
