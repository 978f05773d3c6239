namespace WalRus.Encryption;

/// <summary>Reads the small files that hold keys.</summary>
internal static class KeyFile
{
    /// <summary>The whole content, which the caller wipes.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.EncryptionKeyMissing"/>; <see cref="ErrorCode.EncryptionKeyInvalid"/> when it is too large.
    /// </exception>
    public static byte[] Read(string path, int largestBytes)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (file.Length > largestBytes)
            {
                throw new WalRusException(
                    ErrorCode.EncryptionKeyInvalid,
                    $"The key file '{path}' has {file.Length} bytes; a key has at most {largestBytes}.",
                    "Check that the setting names the key's file.");
            }

            var content = GC.AllocateUninitializedArray<byte>((int)file.Length, pinned: true);
            file.ReadExactly(content);
            return content;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new WalRusException(
                ErrorCode.EncryptionKeyMissing,
                $"The key file '{path}' cannot be read: {failure.Message}",
                "Check that the file exists and that this user may read it.",
                failure);
        }
    }
}
