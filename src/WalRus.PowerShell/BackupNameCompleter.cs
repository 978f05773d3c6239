using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace WalRus.Cmdlets;

/// <summary>Completes backup names from the archive.</summary>
public sealed class BackupNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName,
        string parameterName,
        string wordToComplete,
        CommandAst commandAst,
        IDictionary fakeBoundParameters) =>
        CompletionSource.Backups(fakeBoundParameters)
            .Where(backup => backup.Name.ToString().StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(backup => new CompletionResult(
                backup.Name.ToString(),
                backup.Name.ToString(),
                CompletionResultType.ParameterValue,
                $"{backup.Modified.LocalDateTime:g}, {ByteText.Of(backup.UncompressedSize)}"));
}
