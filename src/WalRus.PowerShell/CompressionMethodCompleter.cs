using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>Completes WALG_COMPRESSION_METHOD's choices.</summary>
public sealed class CompressionMethodCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        SettingCatalog.CompressionMethod.Choices
            .Where(method => method.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(method => new CompletionResult(method));
}
