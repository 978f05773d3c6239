namespace WalRus.Streaming;

/// <summary>What one buffer holds of a <see cref="GrowthBudget"/> and may still come to hold; only the budget changes it.</summary>
internal sealed class GrowthClaim(int claimBytes)
{
    public int ClaimBytes { get; set; } = claimBytes;

    public int HeldBytes { get; set; }
}

/// <summary>
/// Says who may hold how much memory, a step at a time, so that all together hold no more than a total. A step is given
/// only while all that have begun could still grow to their claims one after the other (Dijkstra's banker), so lanes can
/// never each hold a part of what the others wait for. A claim above the total is one that seldom is used up: it passes the
/// total only while nobody else holds anything, and two of them never begin together.
/// </summary>
internal sealed class GrowthBudget(long totalBytes, int stepBytes)
{
    private readonly object gate = new();
    private readonly List<GrowthClaim> holders = [];
    private readonly List<(int Need, int Held)> order = [];
    private readonly LinkedList<Waiter> waiters = new();
    private long heldBytes;

    /// <summary>Adds a step to what a claim holds; waits while giving it could leave somebody waiting for ever.</summary>
    public ValueTask GrowAsync(GrowthClaim claim, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (gate)
        {
            if (claim.HeldBytes + stepBytes > claim.ClaimBytes)
            {
                throw new InvalidOperationException("The claim is used up.");
            }

            if (TryGrow(claim))
            {
                return ValueTask.CompletedTask;
            }

            var waiter = new Waiter(claim);
            var node = waiters.AddLast(waiter);
            waiter.Registration = cancellationToken.UnsafeRegister(static (state, token) =>
            {
                var (budget, node) = ((GrowthBudget, LinkedListNode<Waiter>))state!;
                budget.Cancel(node, token);
            }, (this, node));
            return new ValueTask(waiter.Task);
        }
    }

    /// <summary>The claim wants no more than it holds: the rest is for others.</summary>
    public void Seal(GrowthClaim claim) => Change(() => claim.ClaimBytes = claim.HeldBytes);

    /// <summary>
    /// Gives the first bytes of a claim to another, sealed one; the first may then grow by as much again. No order that
    /// worked stops working: the sealed one ends by itself and gives what the other may want.
    /// </summary>
    public GrowthClaim Split(GrowthClaim claim, int bytes)
    {
        var first = new GrowthClaim(bytes) { HeldBytes = bytes };
        Change(() =>
        {
            holders.Add(first);
            claim.HeldBytes -= bytes;
            claim.ClaimBytes = Math.Max(bytes, claim.HeldBytes);
            RemoveIfEmpty(claim);
        });
        return first;
    }

    /// <summary>Gives back all that a claim holds.</summary>
    public void Close(GrowthClaim claim) => Change(() => Shrink(claim, claim.HeldBytes));

    private void Change(Action change)
    {
        List<Waiter>? served = null;
        lock (gate)
        {
            change();
            for (var node = waiters.First; node is not null;)
            {
                var (next, waiter) = (node.Next, node.Value);
                if (TryGrow(waiter.Claim))
                {
                    waiters.Remove(node);
                    (served ??= []).Add(waiter);
                }

                node = next;
            }
        }

        foreach (var waiter in served ?? [])
        {
            waiter.Registration.Dispose();
            if (!waiter.TrySetResult())
            {
                // Cancelled at the same moment; its owner may have closed it since.
                Change(() => Shrink(waiter.Claim, Math.Min(stepBytes, waiter.Claim.HeldBytes)));
            }
        }
    }

    private bool TryGrow(GrowthClaim claim)
    {
        if (!MayGrow(claim))
        {
            return false;
        }

        if (claim.HeldBytes == 0)
        {
            holders.Add(claim);
        }

        claim.HeldBytes += stepBytes;
        heldBytes += stepBytes;
        return true;
    }

    /// <summary>
    /// Whether all could still be served in some order, each giving back what it holds before the next. Those that need
    /// least come first: if that order fails, every order does.
    /// </summary>
    private bool MayGrow(GrowthClaim claim)
    {
        var free = totalBytes - heldBytes - stepBytes;
        if (free < 0)
        {
            return claim.ClaimBytes > totalBytes && holders.TrueForAll(other => other == claim);
        }

        var held = claim.HeldBytes + stepBytes;
        order.Clear();
        order.Add((claim.ClaimBytes - held, held));
        foreach (var other in holders)
        {
            if (other != claim)
            {
                order.Add((other.ClaimBytes - other.HeldBytes, other.HeldBytes));
            }
        }

        order.Sort(static (one, two) => one.Need.CompareTo(two.Need));
        for (var next = 0; next < order.Count; next++)
        {
            var (need, has) = order[next];
            if (need > free)
            {
                return next == order.Count - 1 && need + has > totalBytes;
            }

            free += has;
        }

        return true;
    }

    private void Shrink(GrowthClaim claim, int bytes)
    {
        claim.HeldBytes -= bytes;
        heldBytes -= bytes;
        RemoveIfEmpty(claim);
    }

    private void RemoveIfEmpty(GrowthClaim claim)
    {
        if (claim.HeldBytes == 0)
        {
            holders.Remove(claim);
        }
    }

    private void Cancel(LinkedListNode<Waiter> node, CancellationToken token)
    {
        lock (gate)
        {
            if (node.List is not null)
            {
                waiters.Remove(node);
            }
        }

        node.Value.TrySetCanceled(token);
    }

    private sealed class Waiter(GrowthClaim claim) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public GrowthClaim Claim { get; } = claim;

        public CancellationTokenRegistration Registration { get; set; }
    }
}
