namespace WalRus.Storage.S3;

/// <summary>Between the engine's keys and the bucket's.</summary>
internal static class S3Keyspace
{
    public static string FullKey(S3StoreOptions options, ObjectKey key) =>
        options.Prefix.Length == 0 ? key.ToString() : $"{options.Prefix}/{key}";

    /// <summary>What a listing of a folder's names must begin with.</summary>
    public static string FolderPrefix(S3StoreOptions options, string folder)
    {
        var path = options.Prefix.Length == 0 ? folder : folder.Length == 0 ? options.Prefix : $"{options.Prefix}/{folder}";
        return path.Length == 0 ? "" : path + "/";
    }

    /// <returns>False for what is no object of ours: a folder's marker, a name that no system can hold.</returns>
    public static bool TryParse(S3StoreOptions options, string fullKey, out ObjectKey key)
    {
        var prefix = FolderPrefix(options, "");
        key = default;
        return fullKey.StartsWith(prefix, StringComparison.Ordinal) && ObjectKey.TryParse(fullKey[prefix.Length..], out key);
    }
}
