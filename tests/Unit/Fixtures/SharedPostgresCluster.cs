namespace WalRus.Tests;

/// <summary>One cluster for all tests of a class, through IClassFixture: for tests that leave the server as it was.</summary>
public sealed class SharedPostgresCluster : IAsyncLifetime
{
    internal PostgresCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await PostgresCluster.StartAsync(
        new() { Authentication = "scram-sha-256", Password = "right horse" });

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}
