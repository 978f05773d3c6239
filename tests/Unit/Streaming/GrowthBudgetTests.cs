using WalRus.Streaming;

namespace WalRus.Tests.Streaming;

/// <summary>Lanes that fill buffers together neither pass the budget nor wait for each other for ever.</summary>
public sealed class GrowthBudgetTests
{
    private const int Chunk = GrowingBuffer.ChunkBytes;

    private readonly int seed = Environment.TickCount;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(4, 4, 4)]
    [InlineData(5, 4, 16)]
    [InlineData(20, 8, 16)]
    [InlineData(33, 20, 40)]
    public async Task Lanes_with_any_claims_all_finish_within_the_budget(int budgetChunks, int claimChunks, int lanes)
    {
        using var pool = new NativeBufferPool(budgetChunks * Chunk);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        long most = 0;
        await Task.WhenAll(Enumerable.Range(0, lanes).Select(lane => Task.Run(async () =>
        {
            var random = new Random(seed + lane);
            for (var round = 0; round < 30; round++)
            {
                using var buffer = pool.OpenGrowing(random.Next(1, claimChunks + 1) * Chunk);
                await FillAsync(buffer, random.Next(1, claimChunks + 1), random, limit.Token);
                InterlockedMax(ref most, pool.RentedBytes);
            }
        })));
        Assert.True(most <= pool.BudgetBytes, $"{most} bytes at once, seed {seed}");
        Assert.Equal(0, pool.RentedBytes);

        static async Task FillAsync(GrowingBuffer buffer, int chunks, Random random, CancellationToken token)
        {
            for (var chunk = 0; chunk < chunks; chunk++)
            {
                try
                {
                    await buffer.AppendAsync(new byte[Chunk], token);
                }
                catch (InvalidOperationException)
                {
                    // The claim was smaller than what there was to write.
                    return;
                }

                if (random.Next(3) == 0)
                {
                    await Task.Yield();
                }
            }
        }
    }

    [Fact]
    public async Task A_chunk_that_would_leave_two_lanes_stuck_is_not_given_until_one_ends()
    {
        using var pool = new NativeBufferPool(4 * Chunk);
        using var first = pool.OpenGrowing(4 * Chunk);
        using var second = pool.OpenGrowing(4 * Chunk);
        await first.AppendAsync(new byte[2 * Chunk], Cancel);

        // One of the two that are left: the first could then no longer be filled, nor could the second.
        var waiting = second.AppendAsync(new byte[Chunk], Cancel).AsTask();
        await Task.Delay(50, Cancel);
        Assert.False(waiting.IsCompleted);
        await first.AppendAsync(new byte[2 * Chunk], Cancel);
        Assert.False(waiting.IsCompleted);
        first.Dispose();
        await waiting;
    }

    [Fact]
    public async Task What_a_sealed_buffer_will_not_use_is_for_others()
    {
        using var pool = new NativeBufferPool(4 * Chunk);
        using var first = pool.OpenGrowing(4 * Chunk);
        using var second = pool.OpenGrowing(4 * Chunk);
        await first.AppendAsync(new byte[Chunk], Cancel);
        var waiting = second.AppendAsync(new byte[3 * Chunk], Cancel).AsTask();
        await Task.Delay(50, Cancel);
        Assert.False(waiting.IsCompleted);
        first.Seal();
        await waiting;
    }

    [Fact]
    public async Task A_claim_above_the_budget_passes_it_alone()
    {
        using var pool = new NativeBufferPool(4 * Chunk);
        using var large = pool.OpenGrowing(6 * Chunk);
        var small = pool.OpenGrowing(2 * Chunk);
        await small.AppendAsync(new byte[Chunk], Cancel);
        await large.AppendAsync(new byte[2 * Chunk], Cancel);
        var waiting = large.AppendAsync(new byte[4 * Chunk], Cancel).AsTask();

        // The small one can still be filled, and only when it has ended is the budget passed.
        await small.AppendAsync(new byte[Chunk], Cancel);
        await Task.Delay(50, Cancel);
        Assert.False(waiting.IsCompleted);
        small.Dispose();
        await waiting;
        Assert.Equal(6 * Chunk, pool.RentedBytes);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    public async Task Lanes_with_claims_above_the_budget_go_one_after_the_other_and_all_end(int lanes)
    {
        using var pool = new NativeBufferPool(4 * Chunk);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        await Task.WhenAll(Enumerable.Range(0, lanes).Select(lane => Task.Run(async () =>
        {
            using var buffer = pool.OpenGrowing((lane % 3 == 0 ? 2 : 7) * Chunk);
            for (var chunk = 0; chunk < (lane % 3 == 0 ? 2 : 7); chunk++)
            {
                await buffer.AppendAsync(new byte[Chunk], limit.Token);
                await Task.Yield();
            }
        })));
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_takes_nothing()
    {
        using var pool = new NativeBufferPool(2 * Chunk);
        using var cancel = new CancellationTokenSource();
        var first = pool.OpenGrowing(2 * Chunk);
        await first.AppendAsync(new byte[2 * Chunk], Cancel);
        var second = pool.OpenGrowing(2 * Chunk);
        var waiting = second.AppendAsync(new byte[Chunk], cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        second.Dispose();
        first.Dispose();
        using var third = pool.OpenGrowing(2 * Chunk);
        await third.AppendAsync(new byte[2 * Chunk], Cancel);
        Assert.Equal(2 * Chunk, pool.RentedBytes);
    }

    [Fact]
    public async Task Memory_under_a_send_goes_back_when_the_send_ends()
    {
        using var pool = new NativeBufferPool(2 * Chunk);
        var buffer = pool.OpenGrowing(Chunk);
        await buffer.AppendAsync(new byte[100], Cancel);
        Assert.True(buffer.TryUse());
        buffer.Dispose();
        Assert.Equal(Chunk, pool.RentedBytes);
        Assert.Equal(100, buffer.ChunkAt(0).Length);
        Assert.False(buffer.TryUse());
        buffer.EndUse();
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public async Task The_first_part_of_a_buffer_is_taken_out_and_the_rest_goes_on()
    {
        using var pool = new NativeBufferPool(4 * Chunk);
        using var buffer = pool.OpenGrowing(3 * Chunk);
        var bytes = new byte[(2 * Chunk) + 7];
        new Random(seed).NextBytes(bytes);
        await buffer.AppendAsync(bytes, Cancel);
        var first = buffer.TakeFirst(2 * Chunk);
        Assert.Equal(bytes[..Chunk], first.ChunkAt(0).ToArray());
        Assert.Equal(bytes[Chunk..(2 * Chunk)], first.ChunkAt(1).ToArray());
        Assert.Equal(bytes[(2 * Chunk)..], buffer.ChunkAt(0).ToArray());
        var waiting = buffer.AppendAsync(new byte[(2 * Chunk) - 7], Cancel).AsTask();
        first.Dispose();
        await waiting;
        Assert.Equal(2 * Chunk, buffer.Length);
        await Assert.ThrowsAsync<InvalidOperationException>(() => buffer.AppendAsync(new byte[1], Cancel).AsTask());
    }

    private static void InterlockedMax(ref long most, long value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, seen);
        }
    }
}
