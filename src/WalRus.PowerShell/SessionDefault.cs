using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;

namespace WalRus.Cmdlets;

/// <summary>The configuration that cmdlets of a session (a runspace) use when none is given.</summary>
internal static class SessionDefault
{
    private static readonly ConditionalWeakTable<Runspace, WalRusConfiguration> ByRunspace = [];

    /// <summary>Null where there is none. Only on the pipeline's thread.</summary>
    public static WalRusConfiguration? Configuration
    {
        get => Runspace.DefaultRunspace is { } session && ByRunspace.TryGetValue(session, out var found) ? found : null;
        set
        {
            if (Runspace.DefaultRunspace is not { } session)
            {
                return;
            }

            ByRunspace.Remove(session);
            if (value is not null)
            {
                ByRunspace.Add(session, value);
            }
        }
    }
}
