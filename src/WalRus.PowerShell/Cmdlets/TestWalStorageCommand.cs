using System.Management.Automation;
using System.Runtime.ExceptionServices;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Tries whether the store lists, takes, shows, gives back and deletes objects, and how fast.</para>
/// </summary>
[Cmdlet(VerbsDiagnostic.Test, "WalStorage", SupportsShouldProcess = true)]
[OutputType(typeof(PgStorageTest))]
public sealed class TestWalStorageCommand : WalRusCmdlet
{
    /// <summary>Objects that must be there.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string[] Key { get; set; } = [];

    /// <summary>Write nothing.</summary>
    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    /// <summary>Size of the probe in bytes.</summary>
    [Parameter]
    [ValidateRange(1L, 1L << 40)]
    public long ProbeSize { get; set; } = 8L << 20;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var readOnly = ReadOnly || !ShouldProcess("the archive's store", "Write, read and delete a probe");
        TryStream(
            null,
            pump => Steps(Engine(pump).CreateStorageTest(), new StorageTestRequest
            {
                MustExist = Key, ReadOnly = readOnly, ProbeBytes = ProbeSize, Progress = pump,
            }),
            step =>
            {
                WriteObject(PgStorageTest.From(step));
                return true;
            });
    }

    /// <summary>A store that is not there at all is an error, not a finding.</summary>
    private async IAsyncEnumerable<StorageTestResult> Steps(StorageTest test, StorageTestRequest request)
    {
        await foreach (var step in test.RunAsync(request, StopToken).ConfigureAwait(false))
        {
            if (step is { Step: "List", Failure: { } failure })
            {
                ExceptionDispatchInfo.Throw(failure);
            }

            yield return step;
        }
    }
}
