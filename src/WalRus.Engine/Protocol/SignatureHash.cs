using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WalRus.Protocol;

/// <summary>
/// The hash that RFC 5929 takes of a certificate: its signature's, but SHA-256 in place of MD5 and SHA-1. Object identifiers:
/// RFC 8017, RFC 5758, RFC 4055.
/// </summary>
internal static class SignatureHash
{
    private const string RsaPss = "1.2.840.113549.1.1.10";

    /// <summary>The hash of the certificate's bytes; null for a signature without one hash, such as Ed25519's.</summary>
    public static byte[]? Of(X509Certificate2 certificate, byte[] raw)
    {
        var algorithm = AlgorithmOf(certificate);
        return algorithm == HashAlgorithmName.SHA256 ? SHA256.HashData(raw)
            : algorithm == HashAlgorithmName.SHA384 ? SHA384.HashData(raw)
            : algorithm == HashAlgorithmName.SHA512 ? SHA512.HashData(raw)
            : null;
    }

    private static HashAlgorithmName? AlgorithmOf(X509Certificate2 certificate) => certificate.SignatureAlgorithm.Value switch
    {
        "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1" or "1.2.840.10040.4.3" => HashAlgorithmName.SHA256,
        "1.2.840.113549.1.1.11" or "1.2.840.10045.4.3.2" => HashAlgorithmName.SHA256,
        "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => HashAlgorithmName.SHA384,
        "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => HashAlgorithmName.SHA512,
        RsaPss => OfPss(certificate.RawDataMemory),
        _ => null,
    };

    /// <summary>The hash that an RSASSA-PSS signature names in its parameters.</summary>
    private static HashAlgorithmName? OfPss(ReadOnlyMemory<byte> certificate)
    {
        try
        {
            var sequence = new AsnReader(certificate, AsnEncodingRules.DER).ReadSequence();
            sequence.ReadEncodedValue();
            var algorithm = sequence.ReadSequence();
            algorithm.ReadObjectIdentifier();
            var parameters = algorithm.ReadSequence();
            var hashTag = new Asn1Tag(TagClass.ContextSpecific, 0);
            if (!parameters.HasData || !parameters.PeekTag().HasSameClassAndValue(hashTag))
            {
                // SHA-1 when it is left out.
                return HashAlgorithmName.SHA256;
            }

            return parameters.ReadSequence(hashTag).ReadSequence().ReadObjectIdentifier() switch
            {
                "1.3.14.3.2.26" or "2.16.840.1.101.3.4.2.1" => HashAlgorithmName.SHA256,
                "2.16.840.1.101.3.4.2.2" => HashAlgorithmName.SHA384,
                "2.16.840.1.101.3.4.2.3" => HashAlgorithmName.SHA512,
                _ => null,
            };
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
