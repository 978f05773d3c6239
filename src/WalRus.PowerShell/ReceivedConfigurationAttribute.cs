using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Takes a configuration that came as properties: Start-Job, Invoke-Command, Import-Clixml.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ReceivedConfigurationAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        try
        {
            return inputData is PSObject received && received.TypeNames.Contains("Deserialized." + typeof(WalRusConfiguration).FullName)
                ? WalRusConfiguration.FromProperties(received) : inputData;
        }
        catch (WalRusException failure)
        {
            throw new ArgumentTransformationMetadataException($"{failure.Message} {failure.Hint}", failure);
        }
    }
}
