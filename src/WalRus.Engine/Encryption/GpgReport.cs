using System.Text;

namespace WalRus.Encryption;

/// <summary>What gpg says on its error stream: status lines for machines and the last few messages for people.</summary>
internal sealed class GpgReport
{
    private const string StatusPrefix = "[GNUPG:] ";
    private const int MessagesKept = 4;
    private const int LineKept = 300;
    private const int StatusKept = 64;
    private readonly object gate = new();
    private readonly HashSet<string> statuses = new(StringComparer.Ordinal);
    private readonly Queue<string> messages = new();

    /// <summary>Whether a status line with this keyword came.</summary>
    public bool Has(string keyword)
    {
        lock (gate)
        {
            return statuses.Contains(keyword);
        }
    }

    /// <summary>The last messages in one line; never key material, which gpg does not print.</summary>
    public string Messages
    {
        get
        {
            lock (gate)
            {
                return messages.Count == 0 ? "it gave no reason" : string.Join("; ", messages);
            }
        }
    }

    /// <summary>Reads to the end, holding a bounded part.</summary>
    public async Task CollectAsync(Stream errors)
    {
        try
        {
            using var reader = new StreamReader(errors, Encoding.UTF8, false, 1024, leaveOpen: true);
            var line = new StringBuilder();
            var buffer = new char[512];
            int read;
            while ((read = await reader.ReadAsync(buffer, CancellationToken.None).ConfigureAwait(false)) > 0)
            {
                for (var at = 0; at < read; at++)
                {
                    if (buffer[at] == '\n')
                    {
                        Add(line.ToString().TrimEnd('\r'));
                        line.Clear();
                    }
                    else if (line.Length < LineKept)
                    {
                        line.Append(buffer[at]);
                    }
                }
            }
        }
        catch (Exception closed) when (closed is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // The run was given up; what it said until then is kept.
        }
    }

    private void Add(string line)
    {
        lock (gate)
        {
            if (line.StartsWith(StatusPrefix, StringComparison.Ordinal))
            {
                var keyword = line[StatusPrefix.Length..].Split(' ', 2)[0];
                if (statuses.Count < StatusKept)
                {
                    statuses.Add(keyword);
                }
            }
            else if (line.Length > 0)
            {
                messages.Enqueue(line.Trim());
                if (messages.Count > MessagesKept)
                {
                    messages.Dequeue();
                }
            }
        }
    }
}
