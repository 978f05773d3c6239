# New-WalRusConfiguration, with Get- and Clear-WalRusConfiguration, and what -Configuration does to the other cmdlets.
BeforeAll {
    . $PSScriptRoot/Common.ps1
    $secretText = 'hunter2-is-the-secret'
    $secret = ConvertTo-SecureString $secretText -AsPlainText -Force
    $credential = [pscredential]::new('AKIAEXAMPLE', $secret)
}

Describe 'New-WalRusConfiguration' {
    BeforeEach {
        $folder = (New-FolderArchive).WALG_FILE_PREFIX
    }

    AfterEach {
        Clear-WalRusConfiguration
    }

    Context 'what it emits' {
        It 'is one object of the declared type, which says what it holds' {
            $made = New-WalRusConfiguration $folder -CompressionMethod zstd -PostgresHost /run/postgresql -PostgresPort 5433
            (Get-Command New-WalRusConfiguration).OutputType.Type | Should -Be $made.GetType()
            $made.Prefix | Should -BeExactly $folder
            $made.Setting['WALG_FILE_PREFIX'] | Should -BeExactly $folder
            $made.Setting['WALG_COMPRESSION_METHOD'] | Should -Be 'zstd'
            $made.Setting['PGPORT'] | Should -Be '5433'
            $made.FromEnvironment | Should -BeFalse
            "$made" | Should -BeExactly $folder
        }

        It 'takes a bucket, and a relative folder from the current location' {
            (New-WalRusConfiguration s3://bucket/path).Setting['WALG_S3_PREFIX'] | Should -BeExactly 's3://bucket/path'
            Push-Location $folder
            try { (New-WalRusConfiguration sub).Prefix | Should -BeExactly (Join-Path $folder 'sub') } finally { Pop-Location }
        }

        It 'never shows a secret: not printed, not as JSON, CSV or CLIXML' {
            $made = New-WalRusConfiguration s3://bucket/path -StoreCredential $credential -LibsodiumKey $secret -PgpKeyPassphrase $secret `
                -PostgresCredential $credential -Setting @{ S3_SSE_C = $secretText; PGSSLPASSWORD = $secret }
            $made.HeldSecret | Should -Be 'AWS_SECRET_ACCESS_KEY', 'PGPASSWORD', 'PGSSLPASSWORD', 'S3_SSE_C', 'WALG_LIBSODIUM_KEY', 'WALG_PGP_KEY_PASSPHRASE'
            $made.Setting['AWS_ACCESS_KEY_ID'] | Should -Be 'AKIAEXAMPLE'
            $file = Join-Path $TestDrive 'made.xml'
            $made | Export-Clixml $file
            $shown = @(
                $made | Format-List * -Force | Out-String
                $made | Out-String
                $made | ConvertTo-Json -Depth 9
                $made | ConvertTo-Csv
                Get-Content $file -Raw
                Test-WalRusConfiguration -Area Setting -Configuration $made | Format-List * | Out-String
            ) -join "`n"
            $shown | Should -Not -Match $secretText
            $shown | Should -Match 'AWS_SECRET_ACCESS_KEY'
        }

        It 'reaches the engine with its secrets' {
            $made = New-WalRusConfiguration $folder -Setting @{ WALG_LIBSODIUM_KEY_TRANSFORM = 'none' } -LibsodiumKey (
                ConvertTo-SecureString 'thirty-two-bytes-of-key-material' -AsPlainText -Force)
            $segment = New-WalSegment (Join-Path $TestDrive 'wal')
            $null = Push-WalSegment $segment -Configuration $made
            $back = Join-Path $TestDrive 'back'
            $null = Restore-WalSegment 000000010000000000000001 $back -Configuration $made
            (Get-FileHash $back).Hash | Should -Be (Get-FileHash $segment).Hash
            # Without the key it is no lz4.
            Restore-WalSegment 000000010000000000000001 "$back.plain" -Setting @{ WALG_FILE_PREFIX = $folder } -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'ObjectCorrupt,*'
        }
    }

    Context 'which setting wins' {
        BeforeEach {
            $file = Join-Path $TestDrive 'walg.json'
            @{ WALG_FILE_PREFIX = '/from/file'; WALG_COMPRESSION_METHOD = 'brotli' } | ConvertTo-Json | Set-Content $file
            $env:WALG_COMPRESSION_METHOD = 'gzip'
            function Get-Effective([hashtable] $With) {
                $found = Test-WalRusConfiguration -Area Setting @With
                $found | Where-Object Name -EQ WALG_COMPRESSION_METHOD | ForEach-Object Detail
            }
        }

        AfterEach {
            Remove-Item env:WALG_COMPRESSION_METHOD -ErrorAction Ignore
        }

        It 'is a parameter, then the environment where it is asked for, then the file' {
            Get-Effective @{ Configuration = New-WalRusConfiguration -ConfigFile $file } | Should -Be 'brotli'
            Get-Effective @{ Configuration = New-WalRusConfiguration -ConfigFile $file -FromEnvironment } | Should -Be 'gzip'
            Get-Effective @{ Configuration = New-WalRusConfiguration -ConfigFile $file -FromEnvironment -CompressionMethod zstd } | Should -Be 'zstd'
            Get-Effective @{ Configuration = New-WalRusConfiguration $folder } | Should -BeNullOrEmpty
        }

        It 'is -Setting above -Configuration, by whatever name of the setting' {
            $made = New-WalRusConfiguration s3://bucket/x -Region eu-central-1
            $found = Test-WalRusConfiguration -Area Setting -Configuration $made -Setting @{ WALG_S3_REGION = 'us-west-1' }
            ($found | Where-Object Name -EQ AWS_REGION).Detail | Should -Be 'us-west-1'
        }

        It 'is the session default only where nothing else is given' {
            $null = New-WalRusConfiguration $folder -CompressionMethod zstd -AsDefault
            Get-Effective @{} | Should -Be 'zstd'
            Get-Effective @{ ConfigFile = $file } | Should -Be 'gzip'
            Get-Effective @{ Configuration = New-WalRusConfiguration $folder -CompressionMethod none } | Should -Be 'none'
            (Get-WalRusConfiguration).Prefix | Should -BeExactly $folder
            Clear-WalRusConfiguration -WhatIf
            Get-WalRusConfiguration | Should -Not -BeNullOrEmpty
            Clear-WalRusConfiguration
            Get-WalRusConfiguration | Should -BeNullOrEmpty
            Get-Effective @{} | Should -Be 'gzip'
        }

        It 'is a default of one runspace only, which another can be given' {
            $made = New-WalRusConfiguration $folder -AsDefault
            $there = 1 | ForEach-Object -Parallel {
                Import-Module $using:ModulePath
                @(Get-WalRusConfiguration).Count
                $null = New-WalRusConfiguration /another -AsDefault
                (Test-WalRusConfiguration -Area Setting -Configuration $using:made | Where-Object Name -EQ WALG_FILE_PREFIX).Detail
            }
            $there | Should -Be 0, $folder
            (Get-WalRusConfiguration).Prefix | Should -BeExactly $folder
        }
    }

    Context 'secrets by name' {
        BeforeAll {
            # What SecretManagement's Get-Secret does, as far as it is asked here.
            function Get-Secret([string] $Name, [string] $Vault) {
                if ($Name -eq 'nothing' -or ($Vault -and $Vault -ne 'Operations')) { throw "The secret $Name was not found." }
                $global:asked++
                if ($Name -eq 'key') { return ConvertTo-SecureString 'thirty-two-bytes-of-key-material' -AsPlainText -Force }
                $credential
            }
        }

        It 'are asked for at each use, and a credential gives its user too' {
            $made = New-WalRusConfiguration $folder -VaultName Operations -SecretName @{ WALG_LIBSODIUM_KEY = 'key'; AWS_SECRET_ACCESS_KEY = 's3' }
            $made.HeldSecret | Should -BeNullOrEmpty
            $global:asked = 0
            $found = Test-WalRusConfiguration -Area Setting, Store -Configuration $made
            $global:asked | Should -Be 2
            ($found | Where-Object Name -EQ AWS_ACCESS_KEY_ID).Detail | Should -Be 'AKIAEXAMPLE'
            ($found | Where-Object Name -EQ WALG_LIBSODIUM_KEY).Detail | Should -Be '--HIDDEN--'
            ($found | Where-Object Name -EQ WALG_LIBSODIUM_KEY).Source | Should -Be 'secret key'
            ($found | Where-Object Name -EQ Write).Detail | Should -Match ' encrypted'
        }

        It 'that are not there end the cmdlet with what to do' {
            foreach ($made in (New-WalRusConfiguration $folder -SecretName @{ PGPASSWORD = 'nothing' }), (New-WalRusConfiguration $folder -VaultName No -SecretName @{ PGPASSWORD = 'key' })) {
                $failure = { Get-BackupList -Configuration $made } | Should -Throw -ErrorId 'SettingMissing,*' -PassThru
                $failure.ErrorDetails.RecommendedAction | Should -Match 'Get-SecretInfo'
            }
        }

        It 'say what is missing where SecretManagement is not installed' {
            $made = New-WalRusConfiguration $folder -SecretName @{ PGPASSWORD = 'key' }
            Remove-Item function:Get-Secret
            $failure = { Get-BackupList -Configuration $made } | Should -Throw -ErrorId 'SettingMissing,*' -PassThru
            $failure.ErrorDetails.RecommendedAction | Should -Match 'SecretManagement'
        }
    }

    Context 'in other processes' {
        It 'goes to a job whole when it holds no secret' {
            $made = New-WalRusConfiguration $folder -SecretName @{ PGPASSWORD = 'key' }
            $file = Join-Path $TestDrive 'configuration.xml'
            $made | Export-Clixml $file
            $received = Import-Clixml $file
            $received.Prefix | Should -BeExactly $folder
            function Get-Secret { $secret }
            (Test-WalRusConfiguration -Area Setting -Configuration $received | Where-Object Name -EQ WALG_FILE_PREFIX).Detail | Should -BeExactly $folder
        }

        It 'is refused there when it held secrets, which stayed behind' {
            $file = Join-Path $TestDrive 'configuration.xml'
            New-WalRusConfiguration $folder -PostgresCredential $credential | Export-Clixml $file
            { Get-BackupList -Configuration (Import-Clixml $file) } | Should -Throw '*PGPASSWORD*-SecretName*'
        }
    }

    Context 'errors' {
        It 'names a setting that no tool knows' {
            { New-WalRusConfiguration -Setting @{ WALG_COMPRESION = 'x' } } | Should -Throw -ErrorId 'SettingInvalid,*'
            { New-WalRusConfiguration -SecretName @{ WALG_COMPRESION = 'x' } } | Should -Throw -ErrorId 'SettingInvalid,*'
        }

        It 'says that a file does not parse or is not there' {
            $file = Join-Path $TestDrive 'broken.json'
            Set-Content $file '{ "WALG_FILE_PREFIX": '
            { New-WalRusConfiguration -ConfigFile $file } | Should -Throw -ErrorId 'ConfigurationFileInvalid,*'
            { New-WalRusConfiguration -ConfigFile "$file.missing" } | Should -Throw
        }

        It 'completes compression methods' {
            $line = 'New-WalRusConfiguration -CompressionMethod z'
            (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'zstd'
        }
    }
}
