namespace WalRus.Tests;

/// <summary>For tests that measure the process itself: they run when nothing else does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "Alone";
}
