# Get-WalRusConfiguration: the session's default, which New-WalRusConfiguration -AsDefault sets.
BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Get-WalRusConfiguration' {
    BeforeEach {
        $folder = (New-FolderArchive).WALG_FILE_PREFIX
    }

    AfterEach {
        Clear-WalRusConfiguration
    }

    It 'emits nothing where no default is set' {
        Get-WalRusConfiguration | Should -BeNullOrEmpty
        New-WalRusConfiguration $folder | Out-Null
        Get-WalRusConfiguration | Should -BeNullOrEmpty
    }

    It 'emits the default, of the declared type, which other cmdlets take as -Configuration' {
        New-WalRusConfiguration $folder -CompressionMethod zstd -AsDefault | Out-Null
        $default = Get-WalRusConfiguration
        (Get-Command Get-WalRusConfiguration).OutputType.Type | Should -Be $default.GetType()
        $default.Prefix | Should -BeExactly $folder
        $default.Setting['WALG_COMPRESSION_METHOD'] | Should -Be 'zstd'
        { Get-BackupList -Configuration $default -ErrorAction Stop } | Should -Not -Throw
    }

    It 'emits the latest default only' {
        New-WalRusConfiguration $folder -AsDefault | Out-Null
        New-WalRusConfiguration s3://bucket/path -AsDefault | Out-Null
        (Get-WalRusConfiguration).Prefix | Should -BeExactly 's3://bucket/path'
    }
}
