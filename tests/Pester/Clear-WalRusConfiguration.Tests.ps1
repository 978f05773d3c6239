# Clear-WalRusConfiguration: forgets the session's default.
BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Clear-WalRusConfiguration' {
    BeforeEach {
        $folder = (New-FolderArchive).WALG_FILE_PREFIX
        New-WalRusConfiguration $folder -AsDefault | Out-Null
    }

    AfterEach {
        Clear-WalRusConfiguration
    }

    It 'forgets the default, emits nothing, and may be called again' {
        Clear-WalRusConfiguration | Should -BeNullOrEmpty
        Get-WalRusConfiguration | Should -BeNullOrEmpty
        { Clear-WalRusConfiguration -ErrorAction Stop } | Should -Not -Throw
    }

    It 'forgets nothing with -WhatIf' {
        Clear-WalRusConfiguration -WhatIf
        (Get-WalRusConfiguration).Prefix | Should -BeExactly $folder
    }

    It 'leaves objects that are held, and the archive itself, alone' {
        $held = Get-WalRusConfiguration
        Clear-WalRusConfiguration
        $held.Prefix | Should -BeExactly $folder
        $folder | Should -Exist
    }
}
