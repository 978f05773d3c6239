using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Gives the session's default configuration; nothing where there is none.</summary>
[Cmdlet(VerbsCommon.Get, "WalRusConfiguration")]
[OutputType(typeof(WalRusConfiguration))]
public sealed class GetWalRusConfigurationCommand : PSCmdlet
{
    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (SessionDefault.Configuration is { } configuration)
        {
            WriteObject(configuration);
        }
        else
        {
            WriteVerbose("This session has no default configuration: the environment and wal-g's default file decide.");
        }
    }
}
